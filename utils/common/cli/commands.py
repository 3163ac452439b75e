"""Quote the words of a command as a line to type into a shell."""

import os
import shlex
import subprocess


def as_typed(*words: str) -> str:
    """Return a command as this system's shell takes it, with quotes where a name needs them.

    >>> as_typed("python", "predict.py", "runs/resnet18-1")
    'python predict.py runs/resnet18-1'
    """
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
