"""Honest verification: does the model fail because of the split alone?"""
