"""The figures of a verification, by name, in the order that they are told in (docs/method.md, section 7)."""

FIGURES = (
    "train_holdout_accuracy",
    "test_accuracy",
    "worst_class_accuracy",
    "random_accuracy",
    "recoverable_accuracy",
    "fair_drop",
    "source_test_accuracy",
    "source_test_random_accuracy",
)
