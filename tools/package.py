"""Build the plugin's zip and check it: `./dev package [FOLDER]`.

What plugins.qgis.org asks for: complete metadata, a licence, at most 25 MB, no binaries, and a clean report from
bandit and detect-secrets.
"""

from __future__ import annotations

import configparser
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "sarto"

FILES = ("__init__.py", "plugin.py", "metadata.txt", "LICENSE", "README.md", "CHANGELOG.md")
FOLDERS = ("core", "ui", "resources")
LEFT_OUT = ("core/bench/", "core/train/")
"""Measuring and training need no plugin."""

SUFFIXES = (".py", ".qml", ".svg", ".txt", ".md", ".json", ".csv", ".safetensors")
REQUIRED = (
    "name",
    "description",
    "version",
    "qgisMinimumVersion",
    "author",
    "email",
    "about",
    "tracker",
    "repository",
)
LARGEST = 25_000_000  # bytes


def main(arguments: list[str]) -> int:
    """Build and check; the exit status is the number of complaints, at most 1."""
    folder = Path(arguments[0]) if arguments else ROOT / "dist"
    members = plugin_files()
    content = zipped(members)
    complaints = check_metadata() + check_files(members, len(content)) + check_code(content)
    for complaint in complaints:
        print(f"package: {complaint}", file=sys.stderr)
    if complaints:
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}-{metadata()['version']}.zip"
    path.write_bytes(content)
    print(f"{path}: {len(members)} files, {len(content) / 1e6:.2f} MB")
    print("Clean: metadata, files, bandit -ll, detect-secrets")
    return 0


def plugin_files() -> list[str]:
    """Paths, relative to the root, of the files that belong into the plugin: tracked ones only."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(
        path
        for path in listed.splitlines()
        if (path in FILES or path.split("/")[0] in FOLDERS) and not path.startswith(LEFT_OUT)
    )


def zipped(members: list[str]) -> bytes:
    """The zip, the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            info = zipfile.ZipInfo(f"{NAME}/{member}", (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, (ROOT / member).read_bytes())
    return buffer.getvalue()


def metadata() -> dict[str, str]:
    """The general section of metadata.txt, with the case of its keys."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    return dict(parser["general"])


def check_metadata() -> list[str]:
    found = metadata()
    complaints = [f"metadata.txt lacks '{key}'." for key in REQUIRED if not found.get(key, "").strip()]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if f'\nversion = "{found.get("version")}"\n' not in project:
        complaints.append(f"metadata.txt says version {found.get('version')}, pyproject.toml another one.")
    if not (ROOT / found.get("icon", "")).is_file():
        complaints.append(f"The icon '{found.get('icon')}' does not exist.")
    return complaints


def check_files(members: list[str], size: int) -> list[str]:
    complaints = [f"'{path}' is missing." for path in FILES if path not in members]
    complaints += [
        f"'{path}' does not belong into a plugin."
        for path in members
        if Path(path).name != "LICENSE" and Path(path).suffix not in SUFFIXES
    ]
    if size > LARGEST:
        complaints.append(f"The zip has {size / 1e6:.1f} MB; {LARGEST / 1e6:.0f} MB are allowed.")
    return complaints


def check_code(content: bytes) -> list[str]:
    """Bandit (medium and high severity) and detect-secrets over what is in the zip."""
    with tempfile.TemporaryDirectory() as place:
        zipfile.ZipFile(io.BytesIO(content)).extractall(place)
        bandit = _run([sys.executable, "-m", "bandit", "-ll", "-q", "-r", NAME], place)
        secrets = _run([sys.executable, "-m", "detect_secrets", "scan", "--all-files", NAME], place)
    complaints = [f"bandit:\n{bandit.stdout}{bandit.stderr}"] if bandit.returncode else []
    if secrets.returncode:
        return [*complaints, f"detect-secrets: {secrets.stderr}"]
    for path, findings in json.loads(secrets.stdout)["results"].items():
        complaints += [f"detect-secrets: {path}:{f['line_number']}: {f['type']}" for f in findings]
    return complaints


def _run(command: list[str], folder: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
