"""Weights of quality, written by ``python -m bench.metrics --fit``. Not edited by hand."""

PRIORS: dict[str, float] = {
    "numbers": 0.392,
    "statements": 0.5,
    "polarity": 0.5,
    "topic": 0.5,
    "language": 0.5,
    "evidence": 0.129,
    "refusal": 1.94,
}

WEIGHTS: dict[str, dict[str, dict[str, float]]] = {
    "reference-vectors": {
        "numbers": {
            "intercept": -8.261,
            "numbers": 1.557,
            "worst_number": 2.675,
            "in_place": 3.657,
            "facts": 2.746,
        },
        "statements": {"intercept": -10.448, "worst_statement": 10.087, "alike": 6.529},
        "polarity": {
            "intercept": -63.51,
            "polarity": 31.05,
            "reference_polarity": 27.47,
            "roles": 3.245,
            "verdict": 3.368,
        },
        "topic": {
            "intercept": -21.052,
            "words": 4.792,
            "closeness": 4.123,
            "statements": 3.957,
            "facts": 3.249,
            "recall": 2.036,
            "reference_closeness": 15.276,
        },
        "language": {"intercept": -3.276, "language": 6.552},
    },
    "alone-vectors": {
        "numbers": {"intercept": -6.804, "numbers": 1.469, "worst_number": 2.817, "in_place": 4.706},
        "statements": {"intercept": -10.448, "worst_statement": 10.087, "alike": 6.529},
        "polarity": {"intercept": -42.611, "polarity": 43.829},
        "topic": {"intercept": -8.781, "words": 6.836, "closeness": 5.845, "statements": 8.971},
        "language": {"intercept": -3.276, "language": 6.552},
        "evidence": {"intercept": -50.002, "statements": 12.664, "evidence": 48.103, "covered": 5.113},
        "refusal": {"intercept": -13.757, "absence": 69.54, "uncovered": 7.253},
    },
    "reference-words": {
        "numbers": {
            "intercept": -8.261,
            "numbers": 1.557,
            "worst_number": 2.675,
            "in_place": 3.657,
            "facts": 2.746,
        },
        "statements": {"intercept": -10.448, "worst_statement": 10.087, "alike": 6.529},
        "polarity": {
            "intercept": -63.51,
            "polarity": 31.05,
            "reference_polarity": 27.47,
            "roles": 3.245,
            "verdict": 3.368,
        },
        "topic": {"intercept": -5.889, "words": 6.134, "statements": 4.908, "facts": 3.469, "recall": 2.79},
        "language": {"intercept": -3.276, "language": 6.552},
    },
    "alone-words": {
        "numbers": {"intercept": -6.804, "numbers": 1.469, "worst_number": 2.817, "in_place": 4.706},
        "statements": {"intercept": -10.448, "worst_statement": 10.087, "alike": 6.529},
        "polarity": {"intercept": -42.611, "polarity": 43.829},
        "topic": {"intercept": -5.925, "words": 8.786, "statements": 9.865},
        "language": {"intercept": -3.276, "language": 6.552},
        "evidence": {"intercept": -9.857, "statements": 13.119, "covered": 7.497},
        "refusal": {"intercept": -6.555, "uncovered": 11.652},
    },
}
