"""The CI gate: is a model robust on a split, by thresholds that the user sets?"""
