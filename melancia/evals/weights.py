"""Weights of quality, written by ``python -m bench.metrics --fit``. Not edited by hand."""

PRIORS: dict[str, float] = {
    "numbers": 0.383,
    "statements": 0.5,
    "polarity": 0.5,
    "topic": 0.5,
    "language": 0.5,
    "evidence": 0.117,
    "refusal": 2.141,
}

WEIGHTS: dict[str, dict[str, dict[str, float]]] = {
    "reference-vectors": {
        "numbers": {"intercept": -7.664, "numbers": 0.968, "worst_number": 3.153, "in_place": 5.83},
        "statements": {"intercept": -10.203, "worst_statement": 7.283, "alike": 7.923},
        "polarity": {
            "intercept": -61.938,
            "polarity": 30.109,
            "reference_polarity": 26.522,
            "roles": 3.123,
            "verdict": 3.669,
        },
        "topic": {
            "intercept": -22.84,
            "words": 5.37,
            "closeness": 4.41,
            "statements": 3.305,
            "facts": 2.921,
            "recall": 2.04,
            "reference_closeness": 17.707,
        },
        "language": {"intercept": -3.276, "language": 6.552},
    },
    "alone-vectors": {
        "numbers": {"intercept": -6.255, "numbers": 0.691, "worst_number": 3.183, "in_place": 4.768},
        "statements": {"intercept": -9.841, "worst_statement": 9.062, "alike": 6.446},
        "polarity": {"intercept": -39.72, "polarity": 40.781},
        "topic": {"intercept": -8.838, "words": 7.453, "closeness": 6.178, "statements": 8.44},
        "language": {"intercept": -3.276, "language": 6.552},
        "evidence": {"intercept": -56.661, "statements": 11.64, "evidence": 56.026, "covered": 5.855},
        "refusal": {"intercept": -15.561, "absence": 78.61, "uncovered": 8.238},
    },
    "reference-words": {
        "numbers": {"intercept": -7.664, "numbers": 0.968, "worst_number": 3.153, "in_place": 5.83},
        "statements": {"intercept": -10.203, "worst_statement": 7.283, "alike": 7.923},
        "polarity": {
            "intercept": -61.938,
            "polarity": 30.109,
            "reference_polarity": 26.522,
            "roles": 3.123,
            "verdict": 3.669,
        },
        "topic": {"intercept": -5.5, "words": 7.28, "statements": 4.456, "facts": 3.128, "recall": 2.838},
        "language": {"intercept": -3.276, "language": 6.552},
    },
    "alone-words": {
        "numbers": {"intercept": -6.255, "numbers": 0.691, "worst_number": 3.183, "in_place": 4.768},
        "statements": {"intercept": -9.841, "worst_statement": 9.062, "alike": 6.446},
        "polarity": {"intercept": -39.72, "polarity": 40.781},
        "topic": {"intercept": -5.757, "words": 9.668, "statements": 9.292},
        "language": {"intercept": -3.276, "language": 6.552},
        "evidence": {"intercept": -9.835, "statements": 12.337, "covered": 8.137},
        "refusal": {"intercept": -7.031, "uncovered": 12.634},
    },
}
