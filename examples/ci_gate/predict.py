"""Train a classifier on the split's train rows and save its predictions for the test rows.

python predict.py neighbours|logistic
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import splitgen

HERE = Path(__file__).parent
CLASSIFIERS: dict[str, Any] = {"neighbours": KNeighborsClassifier(), "logistic": LogisticRegression(max_iter=2000)}


def predict(name: str, split: splitgen.Split) -> np.ndarray:
    """Predictions for the split's test rows."""
    pixels, labels = load_digits(return_X_y=True)
    train, test = split.indices("train"), split.indices("test")
    predictions: np.ndarray = CLASSIFIERS[name].fit(pixels[train], labels[train]).predict(pixels[test])
    return predictions


if __name__ == "__main__":
    split = splitgen.read_split(HERE / "splits" / "digits.parquet")
    table = {"index": split.indices("test"), "prediction": predict(sys.argv[1], split)}
    pd.DataFrame(table).to_parquet(HERE / "predictions.parquet")
