"""Weights of quality, written by ``python -m bench.metrics --fit``. Not to be edited by hand."""

PRIORS: dict[str, float] = {
    "numbers": 0.357,
    "statements": 0.5,
    "polarity": 0.5,
    "topic": 0.5,
    "language": 0.5,
    "evidence": 0.143,
    "refusal": 1.75,
}

WEIGHTS: dict[str, dict[str, dict[str, float]]] = {
    "reference-vectors": {
        "numbers": {
            "intercept": -12.505,
            "numbers": 4.859,
            "worst_number": 0.992,
            "sums": 2.591,
            "facts": 6.028,
            "reference_numbers": 0.0,
        },
        "statements": {"intercept": -10.838, "worst_statement": 18.672},
        "polarity": {"intercept": -69.015, "polarity": 38.253, "facts": 3.877, "reference_polarity": 28.622},
        "topic": {
            "intercept": -20.952,
            "words": 4.967,
            "closeness": 2.775,
            "worst_statement": 6.419,
            "facts": 3.156,
            "recall": 1.59,
            "reference_closeness": 14.353,
        },
        "language": {"intercept": -3.276, "language": 6.552},
    },
    "alone-vectors": {
        "numbers": {"intercept": -9.287, "numbers": 6.215, "worst_number": 2.265, "sums": 2.475},
        "statements": {"intercept": -10.838, "worst_statement": 18.672},
        "polarity": {"intercept": -51.944, "polarity": 53.506},
        "topic": {"intercept": -13.009, "words": 7.187, "closeness": 6.515, "worst_statement": 15.731},
        "language": {"intercept": -3.276, "language": 6.552},
        "evidence": {"intercept": -72.683, "statements": 12.506, "evidence": 78.276},
        "refusal": {"intercept": -15.216, "absence": 105.008},
    },
    "reference-words": {
        "numbers": {
            "intercept": -12.505,
            "numbers": 4.859,
            "worst_number": 0.992,
            "sums": 2.591,
            "facts": 6.028,
            "reference_numbers": 0.0,
        },
        "statements": {"intercept": -10.838, "worst_statement": 18.672},
        "polarity": {"intercept": -69.015, "polarity": 38.253, "facts": 3.877, "reference_polarity": 28.622},
        "topic": {
            "intercept": -7.525,
            "words": 5.901,
            "worst_statement": 6.836,
            "facts": 3.514,
            "recall": 2.439,
        },
        "language": {"intercept": -3.276, "language": 6.552},
    },
    "alone-words": {
        "numbers": {"intercept": -9.287, "numbers": 6.215, "worst_number": 2.265, "sums": 2.475},
        "statements": {"intercept": -10.838, "worst_statement": 18.672},
        "polarity": {"intercept": -51.944, "polarity": 53.506},
        "topic": {"intercept": -10.059, "words": 9.1, "worst_statement": 16.579},
        "language": {"intercept": -3.276, "language": 6.552},
        "evidence": {"intercept": -9.609, "statements": 12.922, "evidence": 7.653},
        "refusal": {"intercept": -8.015, "absence": 15.46},
    },
}
