"""Models: names that are none, and code that builds no classifier."""

from __future__ import annotations

from bad_case import Case, both, change_json, change_note, nothing, write

MAKE = "make npz:digits.npz --config quick.toml --out out --model {}"
START = "import torch\nfrom torch import nn\n"
NET = "nn.Sequential(nn.Flatten(), nn.Linear(64, {n}))"


def code(name: str, text: str, words: str, argument: str = "mine:build") -> Case:
    return Case(name, write("mine.py", START + text), MAKE.format(argument), words)


def build(name: str, body: str, words: str) -> Case:
    return code(name, f"def build(n_classes, in_channels):\n    {body}\n", words)


CASES = [
    Case("an unknown name", nothing, MAKE.format("resnet19"), "unknown"),
    Case("no name", nothing, MAKE.format("''"), "model"),
    Case("a width of 0", nothing, MAKE.format("resnet18x0"), "resnet18x0"),
    Case("a width beyond all memory", nothing, MAKE.format("resnet18x1e9"), "resnet18x1e9"),
    Case("a library without a name", nothing, MAKE.format("torchvision:"), "torchvision:"),
    Case("a name that the library lacks", nothing, MAKE.format("torchvision:resnet19"), "torchvision:resnet19"),
    Case(
        "a network of the library that is no classifier",
        nothing,
        MAKE.format("torchvision:fcn_resnet50"),
        "torchvision:fcn_resnet50",
    ),
    Case("no module", nothing, MAKE.format("no_such:build"), "no_such"),
    Case("a name with a path in it", nothing, MAKE.format("../mine:build"), "mine"),
    code("no name in the module", "", "build"),
    code("a number under the name", "build = 3", "build"),
    code("a module with a fault in its text", "def build(:\n", "mine"),
    code("a module that raises", "raise RuntimeError('not today')", "not today"),
    code("other parameters", "def build(x):\n    return None\n", "build"),
    build("nothing is built", "return None", "mine:build"),
    build("text is built", "return 'net'", "mine:build"),
    build("the builder raises", "raise ValueError('no net')", "no net"),
    build("an error of many lines", "raise ValueError('one\\ntwo\\nthree')", "one"),
    build("outputs less than classes", f"return {NET.format(n=2)}", "mine:build"),
    build("outputs of another shape", "return nn.Identity()", "mine:build"),
    build("nothing to train", "return nn.Flatten()", "mine:build"),
    build(
        "NaN logits",
        f"net = {NET.format(n='n_classes')}\n    nn.init.constant_(net[1].weight, float('nan'))\n    return net",
        "NaN",
    ),
    build(
        "infinite logits",
        f"net = {NET.format(n='n_classes')}\n    nn.init.constant_(net[1].bias, float('inf'))\n    return net",
        "infinite",
    ),
    build("another size of image", "return nn.Sequential(nn.Flatten(), nn.Linear(100, n_classes))", "mine:build"),
    Case(
        "a discovery model that is none",
        nothing,
        "make npz:digits.npz --config quick.toml --out out --discovery-model nothing",
        "nothing",
    ),
    Case(
        "a model of a file that is code",
        both(change_note("config.model", "mine:build"), change_json("config.model", "mine:build")),
        "verify run",
        "is not run unless you name it",
    ),
    Case(
        "a model of a file that is no text",
        both(change_note("config.model", 3), change_json("config.model", 3)),
        "verify run",
        "model must be a text, got 3",
    ),
    Case("a model of a file that has no name", change_note("config.model", ""), "verify run", "model"),
    Case("a second model that is none", nothing, "verify run --model mlp --model nothing --out out", "nothing"),
]
