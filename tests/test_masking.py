"""Personal data in every usual writing is masked; what Retail Media texts are full of is not."""

import re
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.br import cnpj

from melancia.masking import mask

DATA = Path(__file__).parent.parent / "data"
ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DDDS = [
    str(n)
    for n in range(11, 100)
    if phonenumbers.number_type(phonenumbers.parse(f"{n}33334444", "BR"))
    == phonenumbers.PhoneNumberType.FIXED_LINE
]
DASHES = ["-", "–", "‑", "−", "－"]
SPACES = [" ", "\u00a0", "\u2009", "\u202f"]
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
AROUND = [
    ("Meu documento é ", ", pode conferir?"),
    ("(", ")"),
    ("“", "”."),
    ("é este:", "\nObrigada"),
    ("ação ", " às 10h por R$ 1.234,56"),
    ("", ""),
]


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length)


def check_digits_of_cpf(base: str) -> str:
    """Written out again here: the masking takes them from a library."""
    for _ in range(2):
        total = sum(int(digit) * weight for digit, weight in zip(reversed(base), range(2, 12), strict=False))
        base += str((11 - total % 11) % 11 % 10)
    return base


CPF = digits(9).filter(lambda text: int(text) > 0).map(check_digits_of_cpf)
CNPJ = (
    st.tuples(st.text(ALNUM, min_size=8, max_size=8), st.sampled_from(["0001", "0002", "00AB", "01DE"]))
    .map("".join)
    .filter(lambda base: not base.startswith("00000000"))
    .map(lambda base: base + cnpj.calc_check_digits(base))
)
NUMERIC_CNPJ = (
    digits(8)
    .filter(lambda base: int(base) > 0)
    .map(lambda base: f"{base}0001")
    .map(lambda base: base + cnpj.calc_check_digits(base))
)
CARD = (
    st.sampled_from([("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("37", 15), ("36", 14)])
    .flatmap(lambda issued: digits(issued[1] - 1 - len(issued[0])).map(lambda rest: issued[0] + rest))
    .map(lambda base: base + luhn.calc_check_digit(base))
)
MOBILE = st.tuples(st.sampled_from(DDDS), digits(7), st.sampled_from("6789")).map(
    lambda parts: (parts[0], f"9{parts[2]}{parts[1]}")
)
LANDLINE = st.tuples(st.sampled_from(DDDS), digits(7), st.sampled_from("2345")).map(
    lambda parts: (parts[0], f"{parts[2]}{parts[1]}")
)


def groups(number: str, *sizes: int) -> list[str]:
    found, start = [], 0
    for size in sizes:
        found.append(number[start : start + size])
        start += size
    return found


def assert_masked(written: str, token: str, around: tuple[str, str]) -> None:
    before, after = around
    masked = mask(f"{before}{written}{after}")
    assert masked == f"{before}[{token}]{after}"
    assert mask(masked) == masked


@given(CPF, st.sampled_from(DASHES), st.sampled_from(SPACES), st.booleans(), st.sampled_from(AROUND))
def test_a_cpf_in_every_writing(
    number: str, dash: str, space: str, wide: bool, around: tuple[str, str]
) -> None:
    a, b, c, d = groups(number, 3, 3, 3, 2)
    for written in (
        number,
        f"{a}.{b}.{c}{dash}{d}",
        f"{a}{b}{c}{dash}{d}",
        f"{a}{space}{b}{space}{c}{space}{d}",
        f"{a}.{b}.{c}/{d}",
        f"{a}. {b}. {c} {dash} {d}",
        f"{a}.{b}.{c}\u200b{dash}{d}",
    ):
        assert_masked(written.translate(WIDE) if wide else written, "CPF", around)


@given(NUMERIC_CNPJ, st.sampled_from(DASHES), st.sampled_from(SPACES), st.sampled_from(AROUND))
def test_a_cnpj_in_every_writing(number: str, dash: str, space: str, around: tuple[str, str]) -> None:
    a, b, c, d, e = groups(number, 2, 3, 3, 4, 2)
    for written in (
        number,
        f"{a}.{b}.{c}/{d}{dash}{e}",
        f"{a}{b}{c}/{d}{dash}{e}",
        f"{a}.{b}.{c}{space}{d}{space}{e}",
    ):
        assert_masked(written, "CNPJ", around)


@given(CNPJ, st.sampled_from(DASHES), st.sampled_from(AROUND))
def test_a_cnpj_with_letters_in_every_writing(number: str, dash: str, around: tuple[str, str]) -> None:
    a, b, c, d, e = groups(number, 2, 3, 3, 4, 2)
    for written in (number, f"{a}.{b}.{c}/{d}{dash}{e}", f"{a}.{b}.{c}/{d}{dash}{e}".lower()):
        assert_masked(written, "CNPJ", around)


@given(CARD, st.sampled_from([*DASHES, *SPACES, "."]), st.sampled_from(AROUND))
def test_a_card_in_every_writing(number: str, mark: str, around: tuple[str, str]) -> None:
    sizes = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[len(number)]
    for written in (number, mark.join(groups(number, *sizes))):
        masked = mask(f"{around[0]}{written}{around[1]}")
        # One number in a hundred of 14 digits passes as a CNPJ just as well.
        assert masked in (f"{around[0]}[cartão]{around[1]}", f"{around[0]}[CNPJ]{around[1]}")
        assert mask(masked) == masked


@given(MOBILE, st.sampled_from(DASHES), st.sampled_from(SPACES), st.sampled_from(AROUND))
def test_a_mobile_number_in_every_writing(
    number: tuple[str, str], dash: str, space: str, around: tuple[str, str]
) -> None:
    ddd, local = number
    head, tail = local[:5], local[5:]
    for written in (
        f"({ddd}) {head}{dash}{tail}",
        f"({ddd}){head}{dash}{tail}",
        f"({ddd}){space}{head[0]} {head[1:]}{dash}{tail}",
        f"(0{ddd}) {head}{dash}{tail}",
        f"0xx{ddd} {head}{dash}{tail}",
        f"0 15 {ddd} {head}{dash}{tail}",
        f"{ddd} {head}{dash}{tail}",
        f"{ddd}{space}{head}{space}{tail}",
        f"{ddd}.{head}.{tail}",
        f"{ddd} {local}",
        f"{head}{dash}{tail}",
        f"+55 {ddd} {head}{dash}{tail}",
        f"+55({ddd}){head}{dash}{tail}",
        f"+55{ddd}{local}",
        f"+55 {ddd} {local}",
        f"55 {ddd} {head}{dash}{tail}",
        f"0055 {ddd} {head}{dash}{tail}",
        f"({ddd}) {local[1:5]}{dash}{tail}",  # as before 2016, without the ninth digit
    ):
        assert_masked(written, "telefone", around)
    for bare in (ddd + local, f"55{ddd}{local}"):
        # One in a hundred has the check digits of a CPF.
        assert re.fullmatch(r"\[(telefone|CPF)\]", mask(bare))


@given(LANDLINE, st.sampled_from(DASHES), st.sampled_from(AROUND))
def test_a_landline_in_every_writing(number: tuple[str, str], dash: str, around: tuple[str, str]) -> None:
    ddd, local = number
    head, tail = local[:4], local[4:]
    for written in (f"({ddd}) {head}{dash}{tail}", f"+55 {ddd} {head}{dash}{tail}", f"({ddd}) {head} {tail}"):
        assert_masked(written, "telefone", around)
    if not (head[:2] == "20" and tail[:2] in ("19", "20")):  # which reads as two years
        assert_masked(f"{ddd} {head}{dash}{tail}", "telefone", around)
        assert_masked(f"{ddd}.{head}.{tail}", "telefone", around)
        assert mask(f"{ddd}{local}") == "[telefone]"
    if not local.startswith(("300", "400")):
        assert mask(f"telefone: {head}{dash}{tail}") == "telefone: [telefone]"
        assert mask(f"whatsapp {local}") == "whatsapp [telefone]"


@given(st.emails(), st.sampled_from(AROUND))
def test_an_address(address: str, around: tuple[str, str]) -> None:
    # Addresses as they are; the standard allows more, such as “-@A.AC”.
    assume(re.fullmatch(r"\w[\w.+%&~#!$*'-]*@(?:[A-Za-z0-9-]+\.)+(?:xn--[\w-]+|[A-Za-z]{2,})", address))
    masked = mask(f"{around[0]}{address} {around[1]}")
    assert address not in masked
    assert "@" not in masked
    assert "[e-mail]" in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("fale com ana.silva+ads@loja.com.br.", "fale com [e-mail]."),
        ("<ana@loja.com>;bia@loja.com", "<[e-mail]>;[e-mail]"),
        ("joão@padaria.com.br", "[e-mail]"),
        ("ana＠loja．com", "[e-mail]"),
        ("CPF52998224725", "CPF[CPF]"),
        ("doCPF529.982.247-25e", "doCPF[CPF]e"),
        ("id,cpf,fone\n1,52998224725,11987654321", "id,cpf,fone\n1,[CPF],[telefone]"),
        ("529.982.247-25/111.444.777-35", "[CPF]/[CPF]"),
        ("11987654321/11912345678", "[telefone]/[telefone]"),
        ("CNPJ 12abc34501de35", "CNPJ [CNPJ]"),
        ("+351 912 345 678 ou +1 650-253-0000", "[telefone] ou [telefone]"),
        ("cartão 4111 1111 1111 1111 e CPF 529.982.247-25", "cartão [cartão] e CPF [CPF]"),
        # Wrong check digits are a typing error when the text says what the number is.
        ("CPF 123.456.789-00", "CPF [CPF]"),
        ("meu cpf é 12345678900", "meu cpf é [CPF]"),
        ("CNPJ: 12.345.678/0001-00", "CNPJ: [CNPJ]"),
        ("cartão 4111 1111 1111 1112", "cartão [cartão]"),
    ],
)
def test_masked(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "R$ 1.234,56 e R$ 1.234.567,89, 12,5 % de ACOS",
        "de 1.000.000 a 12.345.678.901 impressões",
        "EAN 7891234567895, GTIN 17891234567892, DUN-14: 17891234567892",
        "B08N5WRWNW e B0CHX1W1XY",
        "MLB1234567890, MLB-1134567890-fone-de-ouvido-_JM, MLBU1134567890, mlb 1134567890",
        "pedido 2000003508419013, pedido nº 1134567890, pedido #1134567890, 701-1134567-1234567",
        "de 20/12/2025 a 25/12/2025, 2026-11-30T08:28:26, 2023-2024, 10:30, 20261130",
        "SKU 11987654321, SKU: CAM-3456-7890, código 1134567890, campanha 1134567890",
        "1134567890 impressões, 11987654321 cliques, R$ 1134567890, US$ 1134567890",
        "CEP 01310-100, 01310100",
        "0800 123 4567, 4004-1234, telefone 4004-1234",
        "123.456.789-00",  # nobody says that it is a CPF, and it cannot be one
        "1 234 567 890, 15 2500 3000 4000",
        "@loja, ROAS@3, 3 @ R$ 10",
        "abcdefghijkl12",
        "",
    ],
)
def test_left_alone(text: str) -> None:
    assert mask(text) == text


def test_nothing_of_the_base_and_of_the_questions_is_taken_for_personal_data() -> None:
    files = [*DATA.rglob("*.md"), *DATA.rglob("*.jsonl")]
    assert len(files) > 60
    wrong = {
        file.name: line for file in files for line in file.read_text().splitlines() if mask(line) != line
    }
    assert not wrong


PIECES = st.one_of(
    CPF,
    CNPJ,
    CARD,
    MOBILE.map("".join),
    st.emails(),
    st.text(max_size=8),
    st.sampled_from([*"./-,:;()+@ #[]", "[CPF]", "tel ", "CPF"]),
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_masking_twice_is_masking_once(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1 ",
        "1.",
        "a",
        "a@",
        "@",
        "b.",
        "(11",
        "55 ",
        "+1 ",
        "0 ",
        "A1",
        "１ ",
        "529.982.247-25",
        "tel ",
        "9-",
    ],
)
def test_a_long_text_takes_time_in_proportion(piece: str) -> None:
    """Were it quadratic, these 400,000 characters would take minutes: the suite's time-out is the bound."""
    text = "a@" + piece * (400_000 // len(piece))
    assert len(mask(text)) > 0
