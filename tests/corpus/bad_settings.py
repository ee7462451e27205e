"""Settings: TOML files, and options that are out of range."""

from __future__ import annotations

from bad_case import Case, nest, nothing, write

MAKE = "make npz:digits.npz --out out"


def toml(name: str, text: str | bytes, words: str) -> Case:
    return Case(name, write("bad.toml", text), f"{MAKE} --config bad.toml", words)


def option(options: str, words: str) -> Case:
    return Case(options, lambda folder: None, f"{MAKE} {options}", words)


CASES = [
    Case("no file", nothing, f"{MAKE} --config gone.toml", "cannot be read"),
    Case("a folder", nothing, f"{MAKE} --config pictures", "cannot be read"),
    toml("no TOML", "model =", "is not TOML"),
    toml("bytes", b"\xff\xfe", "is not TOML"),
    toml("a NUL", b"model = '\0'", "is not TOML"),
    toml("deep lists", "x = " + nest(100_000), "nested too deeply"),
    toml("deep tables", "x = " + "{a=" * 10_000 + "1" + "}" * 10_000, "nested too deeply"),
    toml("deep names", ".".join(["a"] * 10_000) + " = 1", "nested too deeply"),
    toml("a name twice", "seed = 1\nseed = 2", "is not TOML"),
    toml("an unknown name", "sed = 1", "unknown setting 'sed'"),
    toml("an unknown table", "[discovry]\nn_tasks = 2", "unknown setting 'discovry'"),
    toml("an unknown name in a table", "[discovery]\ntasks = 2", "unknown setting 'discovery.tasks'"),
    toml("a table that is a number", "discovery = 3", "discovery must be a table, got 3"),
    toml("a list of tables", "[[discovery]]\nn_tasks = 2", "discovery must be a table"),
    toml("a number that is a table", "[seed]\na = 1", "seed must be a whole number"),
    toml("infinity", "[training]\nlearning_rate = inf", "training.learning_rate must be a number, got inf"),
    toml("less than all", "[training]\nlearning_rate = -inf", "learning_rate must be a number, got -inf"),
    toml("NaN", "[training]\nlearning_rate = nan", "training.learning_rate must be a number, got nan"),
    toml("an infinite count", "[training]\nepochs = inf", "training.epochs must be a whole number"),
    toml("a NaN count", "[discovery]\nn_tasks = nan", "discovery.n_tasks must be a whole number"),
    toml("a fraction for a count", "[training]\nepochs = 1.5", "training.epochs must be a whole number"),
    toml("a count beyond 64 bits", "seed = 9223372036854775808", "seed must be a whole number"),
    toml("a number of thousands of digits", "seed = " + "9" * 10_000, "is not TOML"),
    toml(
        "text for a number",
        "[training]\nepochs = '3'",
        "training.epochs must be a whole number of at most 64 bits, got '3'",
    ),
    toml("a truth for a number", "seed = true", "seed must be a whole number"),
    toml("a number for a text", "model = 3", "model must be a text, got 3"),
    toml("a date for a text", "model = 2020-01-01", "model must be a text, got 2020-01-01"),
    toml("a number for a truth", "[data]\nskip_unreadable = 1", "skip_unreadable must be true or false"),
    toml("text for a list", "[search]\nrows = 'all'", "search.rows must be a list of whole numbers"),
    toml("a list of text", "[search]\nrows = ['a']", "search.rows must be a list of whole numbers"),
    toml("a list of infinity", "[search]\nrows = [inf]", "search.rows must be a list of whole numbers"),
    toml("a list of lists", "[search]\nrows = [[1]]", "search.rows must be a list of whole numbers"),
    toml("a text with a NUL", 'model = "a\\u0000"', "model must be a text without the character NUL"),
    toml("a word that is none of the choices", "[discovery]\ncentring = 'moon'", "centring must be one of"),
    toml("two faults at once", "seed = 'x'\nmodel = 3", "; model must be a text"),
    option("--seed -1", "seed must be"),
    option("--epochs 0", "epochs must be 1 or more"),
    option("--seeds 1", "seeds must be 2 or more"),
    option("--learning-rate nan", "learning_rate must be"),
    option("--learning-rate inf", "learning_rate must be"),
    option("--learning-rate 0", "learning_rate must be"),
    option("--learning-rate=-1", "learning_rate must be"),
    option("--tasks 0", "n_tasks must be"),
    option("--meta-steps -1", "meta_steps must be"),
    option("--budget soon", "budget must be a time such as 90s"),
    option("--budget 0s", "budget must be a time such as 90s"),
    option("--budget nan", "budget must be a time such as 90s"),
    option("--verify-budget -3m", "verify-budget must be a time"),
    option("--threads 0", "threads must be 1 or more"),
    option("--threads 99999999999", "threads"),
    option("--device tpu", "device must be one of auto, cpu, cuda"),
    option(f"--budget {'9' * 400}", "budget"),
    Case(
        "no table of the gate",
        write("bad.toml", "[tool.splitgen]\nx = 1"),
        "check run --predictions right.csv --config bad.toml",
        "no table [tool.splitgen.check]",
    ),
    Case(
        "an unknown name of the gate",
        write("bad.toml", "[tool.splitgen.check]\nx = 1"),
        "check run --predictions right.csv --config bad.toml",
        "unknown setting 'x'",
    ),
    Case(
        "a NaN threshold",
        write("bad.toml", "[tool.splitgen.check]\nmax_drop = nan"),
        "check run --predictions right.csv --config bad.toml",
        "max_drop must be a fraction",
    ),
    Case(
        "a file of the gate with a name that is too long",
        write("bad.toml", f"[tool.splitgen.check]\nmax_drop = 0.1\njunit = '{'n' * 300}'"),
        "check run --predictions right.csv --config bad.toml",
        "leads nowhere (File name too long)",
    ),
    *(
        option(f"--{name} {'n' * 300}", "File name too long")
        for name in ("out", "config", "metadata", "weights", "labels")
    ),
    *(
        Case(f"{each} of a long name", nothing, f"{each} {'n' * 300}", "too long")
        for each in ("show", "verify", "split", "report", "agreement digits --tasks")
    ),
    Case("check of a long name", nothing, f"check --max-drop 0.1 {'n' * 300}", "too long", code=3),
    *(
        Case(f"{each} of a long name", nothing, f"make {each}:{'n' * 300} --out out", "too long")
        for each in ("npz", "idx", "folder", "parquet", "csv", "jsonl", "features", "webdataset")
    ),
]
