"""What the pages say can be followed: every link leads somewhere, every command can be typed."""

import ast
import importlib
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.export import ExportSettings
from models.zoo import MENU
from utils.common.cli.command_line import build_parser
from utils.common.errors import SettingsError
from utils.dataset.settings import DatasetSettings
from utils.ensemble.combine import CombineSettings
from utils.external.recalibrate import RecalibrateSettings
from utils.prediction.settings import PredictSettings
from utils.sources import guide
from utils.training.settings import Settings

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
MAX_README_BYTES = 9_000

TEXTS = [
    ROOT / name
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ALL_DATA/README.md")
] + sorted((ROOT / "docs").glob("*.md"))  # fmt: skip

SETTINGS = {
    "create_dataset.py": DatasetSettings,
    "launch_training_test.py": Settings,
    "predict.py": PredictSettings,
    "models.export": ExportSettings,
    "utils.ensemble.combine": CombineSettings,
    "utils.external.recalibrate": RecalibrateSettings,
}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(
    r"(?:^|[ /])(?:python|torchrun|pytest)\b.*"
    r"|^(?:create_dataset|launch_training_test|predict)\.py\b.*"
)
FLAG = re.compile(r"^--[a-z][a-z0-9-]*")

OF_OTHERS = {"--max-restarts", "--rdzv-id", "--preload"}
"""Flags of torchrun and gunicorn that the pages speak of."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """Return the fragments by which the headings of a page are reached, as GitHub makes them.

    >>> sorted(anchors("# What is read?" + chr(10) + "## `a_b`, and c"))
    ['a_b-and-c', 'what-is-read']
    """
    headings = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    """Return the relative links of a page that lead to no file, folder or heading."""
    text = path.read_text(encoding="utf-8")
    broken = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        place = path.parent / file if file else path
        known = place.is_dir() or place.is_file()
        if known and fragment:
            known = fragment in anchors(place.read_text(encoding="utf-8"))
        if not known:
            broken.append(target)
    return broken


def lines_of_code(text: str) -> Iterator[str]:
    """Yield all that stands in code, line by line: of blocks, continued lines as one."""
    blocks = FENCE.findall(text)
    for block in blocks:
        yield from block.replace("\\\n", " ").splitlines()[1:-1]
    yield from CODE.findall(FENCE.sub("", text))


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every command that runs Python, without comments and redirections."""
    for line in lines_of_code(text):
        found = COMMAND.search(line)
        if found:
            words = shlex.split(found.group(), comments=True)
            yield words[: words.index("|")] if "|" in words else words


def fault_of(words: list[str]) -> str:
    """Return what is wrong with a command; "" where nothing is, or where it is not of ours."""
    script = next((at for at, word in enumerate(words) if word.endswith(".py")), None)
    if script is None:
        return fault_of_module(words)
    path = words[script]
    if not (ROOT / path).is_file():
        return f"there is no {path}"
    return fault_of_flags(path, words[script + 1 :])


def fault_of_module(words: list[str]) -> str:
    if "-m" not in words:
        return ""
    module, *rest = words[words.index("-m") + 1 :]
    inside = module.removeprefix("skin_picture_gate.")
    if inside.partition(".")[0] not in ("models", "utils", "benchmarks"):
        return ""
    path = ROOT / f"{inside.replace('.', '/')}.py"
    if not path.is_file():
        return f"there is no module {module}"
    if path.is_relative_to(BENCHMARKS):
        return fault_of_benchmark(path, rest)
    return fault_of_flags(inside, rest)


def fault_of_benchmark(path: Path, arguments: list[str]) -> str:
    """Return which flags are written neither in a benchmark nor in what benchmarks share."""
    texts = [file.read_text(encoding="utf-8") for file in (path, *BENCHMARKS.glob("tools/*.py"))]
    flags = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    unknown = [flag for flag in flags if not any(f'"{flag}"' in text for text in texts)]
    return f"{path.stem} knows no {' '.join(unknown)}" if unknown else ""


def fault_of_flags(name: str, arguments: list[str]) -> str:
    if name not in SETTINGS:
        return ""
    parser = build_parser(SETTINGS[name], "")
    try:
        _, unknown = parser.parse_known_args(arguments)
    except SettingsError as error:
        if "the following arguments are required" not in str(error):
            return str(error)
        flags = [word for word in arguments if word.startswith("-")]  # which a text only mentions
        unknown = [word for word in arguments if word not in flags]
        unknown += [flag for flag in flags if flag not in parser._option_string_actions]
    except SystemExit:  # --help, --version
        return ""
    return f"{name} knows no {' '.join(unknown)}" if unknown else ""


def faults(text: str) -> list[str]:
    return [
        f"{shlex.join(words)}: {fault}" for words in commands(text) if (fault := fault_of(words))
    ]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= MAX_README_BYTES


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_every_link_leads_to_a_file_or_a_heading(path: Path) -> None:
    assert not broken_links(path)


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_every_command_is_understood(path: Path) -> None:
    assert not faults(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "path", [path for path in TEXTS if path.stem not in ("measured", "CONTRIBUTING")], ids=name_of
)
def test_every_flag_is_one_of_a_script(path: Path) -> None:
    """Pages on benchmarks speak of theirs, too."""
    parsers = [build_parser(settings, "") for settings in SETTINGS.values()]
    known = {flag for parser in parsers for flag in parser._option_string_actions}
    code = CODE.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    named = {found.group() for words in code if (found := FLAG.match(words))}
    assert named <= known | OF_OTHERS


def test_the_models_that_the_page_lists_are_in_the_menu() -> None:
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    table = page.partition("## Models")[2].partition("\n##")[0]
    listed = re.findall(r"^\|[^|`]+\| `(\w[^`]*)` \|", table, re.MULTILINE)
    assert listed
    assert set(listed) <= {model.name for model in MENU}


def test_the_readme_leads_to_every_page() -> None:
    links = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {name_of(path) for path in (ROOT / "docs").glob("*.md")} <= set(links)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("README.md", guide.with_table),
        ("ALL_DATA/README.md", lambda _: guide.guide()),
        ("docs/data.md", guide.with_border),
    ],
)
def test_what_is_written_from_the_catalog_is_up_to_date(
    path: str, written: Callable[[str], str]
) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert text == written(text), "run: python -m utils.sources.guide"
    assert written(text).count("written by python -m utils.sources.guide") <= 1


@pytest.mark.parametrize("name", ["create_dataset", "launch_training_test", "predict"])
def test_the_examples_in_the_help_are_understood(name: str) -> None:
    told = importlib.import_module(name).__doc__ or ""
    examples = re.sub(r"(?<=\S) {3,}.*", "", told)  # what each does
    assert faults(f"```\n{examples}\n```") == []
    assert len(list(commands(f"```\n{examples}\n```"))) >= 3


@pytest.mark.parametrize("path", sorted(BENCHMARKS.rglob("[!_]*.py")), ids=name_of)
def test_a_benchmark_tells_how_it_is_run(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    told = re.sub(r"(?<=\S) {2,}.*", "", ast.get_docstring(ast.parse(text)) or "")
    block = f"```\n{told}\n```"
    assert faults(block) == []
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    runs = [words for words in commands(block) if name in words or name_of(path) in words]
    assert bool(runs) == ("__main__" in text)


class TestTheCheckItself:
    """A check that finds nothing would prove nothing."""

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("```\npython creat_dataset.py --demo\n```", "there is no creat_dataset.py"),
            ("`python create_dataset.py --demos`", "create_dataset.py knows no --demos"),
            ("```\n$ python predict.py RUN a.jpg --fast  # x\n```", "predict.py knows no --fast"),
            ("```\ntorchrun -n=2 launch_training_test.py \\\n --modle vit\n```", "no --modle vit"),
            ("`python launch_training_test.py -b x`", "invalid int value: 'x'"),
            ("`predict.py --sort`", "predict.py knows no --sort"),
            ("`python -m models.exports RUN`", "there is no module models.exports"),
            ("`python -m skin_picture_gate.models.export R --onnx`", "knows no --onnx"),
            ("`python -m benchmarks.speed.lauder`", "there is no module benchmarks.speed.lauder"),
            ("`python -m benchmarks.speed.loader --qick`", "loader knows no --qick"),
            ("`python benchmarks/loader.py`", "there is no benchmarks/loader.py"),
        ],
    )
    def test_a_wrong_command_is_found(self, text: str, fault: str) -> None:
        (found,) = faults(text)
        assert fault in found

    @pytest.mark.parametrize(
        "text",
        [
            "`python launch_training_test.py`, `python -m venv .venv`, `pytest -q`",
            "```\nfind . | python predict.py RUN - --output a.csv | head --lines=3\n```",
            "`predict.py --resume`, `benchmarks/speed/predict.py`",
            "`python -m benchmarks.speed.loader --quick`, `python -m benchmarks.speed.gpu`",
        ],
    )
    def test_a_right_one_is_not(self, text: str) -> None:
        assert faults(text) == []

    def test_a_link_to_nowhere_is_found(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        links = (
            "[a](other.md) [b](#part-b) [c](#part-a-1-of-2) [d](https://x.org/y) [e](page.md#no)"
        )
        page.write_text(f"{links}\n```\n[f](in_code.md)\n# Part B\n```\n## Part A: 1 of `2`\n")
        assert broken_links(page) == ["other.md", "#part-b", "page.md#no"]
