"""Errors that a user can act on: each says what was given, what is allowed and what to do.

Every class derives from `SplitgenError`; the command line prints its one line and exits with its code.
The values that an error talks about stay on it as attributes, so that callers need not parse text.
"""

from __future__ import annotations


class SplitgenError(Exception):
    """Base of all errors that splitgen raises on purpose. exit_code: of the command that it ends."""

    exit_code = 2


class SourceError(SplitgenError):
    """A dataset could not be opened, or its content cannot be used."""

    def __init__(self, source: str, problem: str, remedy: str) -> None:
        self.source, self.problem, self.remedy = source, problem, remedy
        super().__init__(f"dataset '{source}': {problem}; {remedy}")


class DeadWorkerError(SourceError):
    """A process that read a dataset has ended by itself."""

    exit_code = 3


class CacheError(SplitgenError):
    """The folder of decoded images cannot be used."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(f"cache folder '{path}': {problem}; {remedy}")


class MetadataError(SplitgenError):
    """A table about the datapoints cannot be read, or does not fit the dataset."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(f"metadata '{path}': {problem}; {remedy}")


class ModelError(SplitgenError):
    """A model name is unknown, or the model cannot be built or used."""

    def __init__(self, model: str, problem: str, remedy: str) -> None:
        self.model, self.problem, self.remedy = model, problem, remedy
        super().__init__(f"model '{model}': {problem}; {remedy}")


class WeightsError(SplitgenError):
    """A file of weights cannot be read, or is not of the model."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(f"weights '{path}': {problem}; {remedy}")


class SettingError(SplitgenError):
    """One or more settings are out of range; all of them are listed at once."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class SplitFileError(SplitgenError):
    """A file is not an index file that this version can read."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(f"split file '{path}': {problem}; {remedy}")


class SchemaVersionError(SplitFileError):
    """The file was written with another schema version."""


class RowsError(SplitFileError):
    """The file's rows overlap, are missing, or are unknown to the source."""


class FingerprintError(SplitFileError):
    """The file belongs to other data than the dataset it is used with."""


class ExportError(SplitgenError):
    """A split cannot be written for a consumer."""

    def __init__(self, consumer: str, problem: str, remedy: str) -> None:
        self.consumer, self.problem, self.remedy = consumer, problem, remedy
        super().__init__(f"export to {consumer}: {problem}; {remedy}")


class PredictionsError(SplitgenError):
    """Predictions do not fit the split that they are for."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        self.name, self.problem, self.remedy = name, problem, remedy
        super().__init__(f"predictions '{name}': {problem}; {remedy}")


class CheckError(SplitgenError):
    """A gate cannot run, for want of what it compares with."""

    exit_code = 3

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}; {remedy}")


class OutputError(SplitgenError):
    """A result cannot be written."""

    exit_code = 3

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}; {remedy}")


class TrainingError(SplitgenError):
    """A network that was trained cannot be used: its loss or its outputs are no numbers."""

    exit_code = 3

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}; {remedy}")


class TasksFileError(SplitgenError):
    """A file is not a tasks file that this version can read."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(f"tasks file '{path}': {problem}; {remedy}")


class RunFolderError(SplitgenError):
    """The output folder cannot be used."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(f"out folder '{path}': {problem}; {remedy}")
