"""What the solver says is not what the command says."""

from __future__ import annotations

import os

from citycheck.cli_renewal import _solver_on_stderr


def test_what_the_solver_writes_past_python_is_not_on_stdout(capfd):
    print("before")
    with _solver_on_stderr():
        os.write(1, b"HighsMipSolverData\n")
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "HighsMipSolverData\n")
