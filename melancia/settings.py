"""The one reader of the environment. Everything else receives a ``Settings``.

Variables are those of ``.env.example``: ``MELANCIA_*`` for ours, and the providers' customary names for
theirs. A ``MELANCIA_*`` variable that does not exist is refused, with the nearest known name.
"""

import difflib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from melancia.errors import SettingsError
from melancia.records import content_hash
from melancia.validation import reason

PROJECT_DIR = Path(__file__).resolve().parent.parent
_PREFIX = "MELANCIA_"
_Kind = TypeVar("_Kind", bound=BaseSettings)
_ANSWER_FIELDS = (
    "variant",
    "fallbacks",
    "prompt_version",
    "temperature",
    "max_tokens",
    "context_window",
    "k",
    "embedding_model",
)


class Settings(BaseSettings):
    """Every setting, with a working default. Paths are taken from the working directory."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        populate_by_name=True,
    )

    data_dir: Path = Field(PROJECT_DIR / "data", description="Pasta dos dados gerados (banco, índice).")
    knowledge_dir: Path = Field(
        PROJECT_DIR / "data" / "knowledge", description="Pasta dos documentos indexados ao iniciar."
    )
    database_url: str | None = Field(None, description="Banco das interações; vazio: SQLite em DATA_DIR.")
    chroma_url: str | None = Field(
        None, description="Servidor ChromaDB, como http://chroma:8000; vazio: Chroma embutido em DATA_DIR."
    )
    mlflow_url: str | None = Field(
        None,
        validation_alias="MLFLOW_TRACKING_URI",
        description="Servidor MLflow, como http://mlflow:5000; vazio: só benchmarks e relatórios de saúde, "
        "em DATA_DIR/mlflow.",
    )
    mlflow_public_url: str = Field(
        "http://localhost:5000", description="Endereço do MLflow para o navegador, usado nos links da página."
    )
    mlflow_experiment: str = Field("melancia-retail-media", description="Experimento do MLflow.")
    launcher_url: str | None = Field(
        None, description="Serviço que inicia as tarefas em contêineres; vazio: subprocessos desta máquina."
    )
    launcher_token_file: Path | None = Field(
        None, description="Arquivo com o segredo compartilhado com o launcher."
    )
    job_id: str | None = Field(None, description="Identificador da tarefa; definido por quem a inicia.")
    worker_heartbeat_file: Path | None = Field(
        None, description="Arquivo que o worker toca a cada 10 s enquanto vai bem; vazio: nenhum."
    )
    expect_gpu: bool = Field(False, description="true avisa quando um modelo do Ollama não roda na GPU.")
    # libpq reads it by itself; it is a setting so that the launcher can pass it on.
    pgpassfile: Path | None = Field(
        None,
        validation_alias="PGPASSFILE",
        description="Arquivo de senhas do PostgreSQL, lido do ambiente pelo seu driver e repassado às "
        "tarefas.",
    )

    host: str = Field("127.0.0.1", description="Endereço em que a página é servida.")
    port: int = Field(7860, ge=1, le=65535, description="Porta da página.")
    auth: SecretStr | None = Field(
        None, description="Acesso da equipe, opcional: usuario:senha,usuario2:senha2."
    )
    admins: str = Field(
        "",
        description="Quem administra a base, os benchmarks, os experimentos e as ações: nomes de "
        "MELANCIA_AUTH, com vírgulas, ou * (todos); vazio: quem abre a página na própria máquina, se ela não "
        "for publicada nem tiver acesso da equipe; na pilha do Docker, todos.",
    )
    secret_key: SecretStr | None = Field(
        None, description="Chave que assina o cookie; vazio: gerada em DATA_DIR."
    )
    allowed_origins: str = Field("", description="Origens extras que podem chamar a página, com vírgulas.")
    secure_cookie: bool = Field(False, description="true quando a página é servida por HTTPS.")
    blind: bool = Field(False, description="true esconde qual modelo respondeu.")
    concurrency: int = Field(8, ge=1, description="Respostas geradas ao mesmo tempo.")
    queue_size: int = Field(64, ge=1, description="Perguntas que podem esperar na fila.")
    questions_per_minute: int = Field(20, ge=1, description="Limite de perguntas de um usuário por minuto.")
    max_question_chars: int = Field(2000, ge=50, description="Tamanho máximo de uma pergunta.")

    cache: bool = Field(True, description="false: nenhuma resposta é reaproveitada.")
    rating_prompt: float = Field(
        0.1, ge=0, le=1, description="Parte das respostas, por sorteio, em que a página pede avaliação."
    )

    drift_schedule: str = Field(
        "0 6 * * *", description="Quando procurar mudanças (cron, UTC); “nunca” desliga."
    )
    drift_current: str = Field("7d", description="Janela recente do relatório, como 7d ou 12h.")
    drift_reference: str = Field(
        "28d", description="Com que se compara: janela anterior (28d), benchmark, ou um arquivo."
    )
    rules_file: Path = Field(
        PROJECT_DIR / "data" / "rules" / "drift.yaml", description="Tabela de regras: de achado a ação."
    )
    alert_webhook: SecretStr | None = Field(
        None, description="Endereço que recebe os avisos em JSON (POST); vazio: só a página."
    )
    retention_days: int = Field(
        0, ge=0, description="Dias em que perguntas e respostas são guardadas; 0: sem prazo."
    )
    mask_providers: str = Field(
        "openai,huggingface",
        description="Provedores que recebem os dados pessoais mascarados, com vírgulas; “nenhum” desliga.",
    )

    variant: str = Field("auto", description="Quem responde: auto, extractive ou provedor:modelo.")
    fallbacks: str = Field("", description="Ordem de reserva: provedor:modelo, com vírgulas.")
    variant_a: str = Field(
        "", description="Braço A do primeiro experimento: provedor:modelo; vale com o B e sem experimentos."
    )
    variant_b: str = Field("", description="Braço B do primeiro experimento: provedor:modelo.")
    weights: str = Field(
        "50,50",
        pattern=r"^\s*\d+(\.\d+)?\s*,\s*\d+(\.\d+)?\s*$",
        description="Pesos dos braços A e B, com vírgula.",
    )
    prompt_version: str = Field("v1", description="Versão do prompt.")
    temperature: float = Field(0.3, ge=0, le=2, description="Temperatura de geração.")
    max_tokens: int = Field(800, ge=16, description="Tamanho máximo da resposta, em tokens.")
    context_window: int = Field(8192, ge=512, description="Janela de contexto pedida ao Ollama (num_ctx).")
    k: int = Field(5, ge=1, le=20, description="Trechos recuperados por pergunta.")
    embedding_model: str = Field(
        "local:enpt", description="Embeddings: local:enpt, ollama:modelo ou openai:modelo."
    )
    pull_models: str = Field(
        "", description="Modelos que o worker baixa no Ollama além dos configurados, com vírgulas."
    )
    first_token_timeout: float = Field(
        60, gt=0, description="Segundos de espera pelo primeiro token; menos que TOTAL_TIMEOUT."
    )
    total_timeout: float = Field(180, gt=0, description="Segundos para a resposta inteira.")

    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Chave da OpenAI."
    )
    openai_base_url: str | None = Field(
        None,
        validation_alias="OPENAI_BASE_URL",
        description="Outro servidor compatível (vLLM, llama.cpp, LM Studio).",
    )
    huggingface_api_token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("HUGGINGFACE_API_TOKEN", "HF_TOKEN"),
        description="Token da Hugging Face.",
    )
    huggingface_base_url: str = Field(
        "https://router.huggingface.co/v1",
        validation_alias="HUGGINGFACE_BASE_URL",
        description="Endereço dos Inference Providers.",
    )
    ollama_base_url: str = Field(
        "http://127.0.0.1:11434",
        validation_alias="OLLAMA_BASE_URL",
        description="Endereço do Ollama; na pilha do Docker, sempre o do serviço ollama.",
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Detalhe dos registros."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Forma dos registros: text, ou json (uma linha por evento)."
    )
    metrics_token_file: Path | None = Field(
        None, description="Arquivo com o segredo de quem lê /metrics; vazio: só quem administra."
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Coletor OpenTelemetry (OTLP por HTTP), como http://coletor:4318; vazio: nenhum.",
    )

    @field_validator("data_dir", "knowledge_dir", "rules_file")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @model_validator(mode="after")
    def _first_before_total(self) -> Self:
        first, total = self.first_token_timeout, self.total_timeout
        if first >= total:
            raise SettingsError(
                f"MELANCIA_FIRST_TOKEN_TIMEOUT ({first:g}) não é menor que MELANCIA_TOTAL_TIMEOUT "
                f"({total:g}): um modelo parado não deixaria tempo para a reserva.",
                "Diminua o primeiro ou aumente o segundo no ambiente ou no arquivo .env.",
            )
        return self

    @property
    def index_dir(self) -> Path:
        """Folder of the knowledge index: its catalog (SQLite) and its vectors (Chroma). Can be rebuilt."""
        return self.data_dir / "index"

    @property
    def uploads_dir(self) -> Path:
        """Folder of the documents that were sent through the page."""
        return self.data_dir / "uploads"

    @property
    def answers_dir(self) -> Path:
        """Folder of the answer cache (Chroma). Can be lost without harm."""
        return self.data_dir / "answers"

    @property
    def drift_dir(self) -> Path:
        """Folder of the drift reports' documents (HTML)."""
        return self.data_dir / "drift"

    @property
    def prompts_dir(self) -> Path:
        """Folder of the prompts that came to those that ship: ``<name>.md``."""
        return self.data_dir / "prompts"

    @property
    def store_url(self) -> str:
        """SQLAlchemy address of the interactions database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'melancia.db'}"

    @property
    def has_worker(self) -> bool:
        """Whether a worker pulls Ollama's models for the page: the stack's, or its own beside an MLflow."""
        return bool(self.launcher_url or self.mlflow_url)

    @property
    def hash(self) -> str:
        """Content hash of what can change an answer; secrets and addresses stay out."""
        return content_hash({name: getattr(self, name) for name in _ANSWER_FIELDS})


# A name of ours, of Docker's own form: never a path of the host, never another container's network.
_DOCKER_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
_NOT_A_NETWORK = ("host", "none", "default", "bridge")


class LauncherSettings(BaseSettings):
    """What a job's container is made of. Read by the launcher only; no request changes any of it."""

    model_config = SettingsConfigDict(
        env_prefix=f"{_PREFIX}LAUNCHER_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    port: int = Field(8700, ge=1, le=65535, description="Porta do launcher.")
    docker_url: str = Field("unix:///var/run/docker.sock", description="Endereço do Docker, para o launcher.")
    image: str = Field("melancia/jobs:local", min_length=1, description="Imagem em que as tarefas rodam.")
    networks: str = Field(
        "melancia_models,melancia_data,melancia_vectors,melancia_tracking",
        description="Redes das tarefas, com vírgulas.",
    )
    data_volume: str = Field(
        "melancia_data", pattern=f"^{_DOCKER_NAME}$", description="Volume montado em /data nas tarefas."
    )
    secrets_volume: str = Field(
        "melancia_secrets-database",
        pattern=f"^{_DOCKER_NAME}$",
        description="Volume montado em /run/melancia nas tarefas, só para leitura.",
    )
    memory: str = Field(
        "2g", pattern=r"^[1-9]\d*[mg]$", description="Memória de uma tarefa, como 512m ou 4g."
    )
    cpus: float = Field(2, ge=0.1, description="Processadores de uma tarefa; no máximo, os que existem.")

    @field_validator("networks")
    @classmethod
    def _own_networks(cls, networks: str) -> str:
        for name in networks.split(","):
            if not re.fullmatch(_DOCKER_NAME, name.strip()) or name.strip() in _NOT_A_NETWORK:
                raise ValueError(f"tem “{name.strip()}”, que não é uma rede criada por nós")
        return networks

    @property
    def network_names(self) -> list[str]:
        """The networks, the first one first."""
        return [name.strip() for name in self.networks.split(",")]


def variable_name(kind: type[BaseSettings], name: str) -> str:
    """The environment variable of a field, first customary name only."""
    alias = kind.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return str(alias or f"{kind.model_config['env_prefix']}{name.upper()}")


def known_variables() -> dict[str, str]:
    """Every variable that is read → its description, first customary name only."""
    kinds: tuple[type[BaseSettings], ...] = (Settings, LauncherSettings)
    return {
        variable_name(kind, name): field.description or ""
        for kind in kinds
        for name, field in kind.model_fields.items()
    }


def inherited_environment() -> dict[str, str]:
    """This process's environment, for a child that should have the same."""
    return dict(os.environ)


def withdraw(*names: str) -> None:
    """Take variables out of this process's environment, on which a library would act behind our back.

    Settings that were read before keep what they said.
    """
    for name in names:
        os.environ.pop(name, None)


def load_settings(**overrides: Any) -> Settings:
    """Read the environment and ``.env``. Raises SettingsError naming the variable and what to do."""
    return _load(Settings, overrides)


def load_launcher_settings(**overrides: Any) -> LauncherSettings:
    """Read the launcher's own variables. Raises SettingsError naming the variable and what to do."""
    return _load(LauncherSettings, overrides)


def _load(kind: type[_Kind], overrides: dict[str, Any]) -> _Kind:
    _refuse_unknown()
    try:
        return kind(**overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else variable_name(kind, name)
        raise SettingsError(
            f"O valor da variável {variable} {reason(first)}.",
            "Corrija-o no ambiente ou no arquivo .env; os valores aceitos estão em .env.example.",
        ) from error


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()


def _refuse_unknown() -> None:
    known = known_variables()
    names = {name for name in os.environ if name.startswith(_PREFIX)} | _dotenv_names()
    for name in sorted(names - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Quis dizer {near[0]}?" if near else "As variáveis aceitas estão em .env.example."
        raise SettingsError(f"A variável {name} não existe.", hint)


def _dotenv_names() -> set[str]:
    from dotenv import dotenv_values

    try:
        return {name for name in dotenv_values(".env") if name.startswith(_PREFIX)}
    except UnicodeDecodeError as error:
        raise SettingsError("O arquivo .env não está em UTF-8.", "Salve-o de novo em UTF-8.") from error
