"""The renderer and the mesher's worker in a real WebGL2 context, on a page of their own."""

import os
import shutil
import subprocess

import pytest

from tests.browser.conftest import REPOSITORY

CHECKS = ["places", "transparency", "smoothness", "lines", "worker", "contexts"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The checks and what they check as one script, made as small as the widgets' bundles."""
    esbuild = REPOSITORY / "node_modules" / ".bin" / "esbuild"
    if not esbuild.exists() or shutil.which("node", path=os.environ["PATH"]) is None:
        pytest.skip("no Node, or the npm packages are not installed (npm ci)")
    out = tmp_path_factory.mktemp("page") / "checks.js"
    source = "js/test/page/renderer.ts"
    command = [str(esbuild), source, "--bundle", "--minify", "--format=iife", f"--outfile={out}"]
    command += ["--target=es2021", "--log-level=error"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return out.read_text(encoding="utf-8")


@pytest.mark.parametrize("check", CHECKS)
def test_in_a_real_context(page, program, check):
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.set_content("<body></body>")
    page.add_script_tag(content=program)
    page.evaluate(f"() => window.checks[{check!r}]()")
    assert not [text for text in said if "INVALID" in text]


def test_every_check_is_run(page, program):
    page.set_content("<body></body>")
    page.add_script_tag(content=program)
    assert page.evaluate("() => Object.keys(window.checks)") == CHECKS
