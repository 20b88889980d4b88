#!/usr/bin/env python3
"""Finds wording that CONTRIBUTING.md rules out: vague agents, private vocabulary, and sentences that are too long.

Reads the files that git tracks. It searches for words in code, comments and prose, and for long sentences in Markdown. It
prints each finding with its file and line. The exit code is 1 if there is a finding.
"""

import re
import subprocess
import sys

# CONTRIBUTING.md shows how to say these in plain words.
WORDS = re.compile(
    r"\b(whoever|whomever|somebody|nobody|anybody|so many|so much as|at nought|(is|are|was) told|at the most|at the least"
    r"|for want of|stands alone|comes to nothing)\b",
    re.IGNORECASE,
)
CODE = (".rs", ".md", ".js", ".mjs", ".ts", ".css", ".html", ".py", ".sh", ".lua", ".c", ".toml", ".yml", ".patch")
# Past entries of the changelog keep their words. The other two files list the words.
EXEMPT = {"CHANGELOG.md", "CONTRIBUTING.md", "ci/plain-words.py"}
WORDS_PER_SENTENCE_MAX = 35


def tracked():
    names = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.split("\n")
    return [name for name in names if name.endswith(CODE) and name not in EXEMPT]


def findings(name):
    with open(name, encoding="utf-8") as file:
        text = file.read()
    for number, line in enumerate(text.split("\n"), 1):
        for word in WORDS.finditer(line):
            yield number, f'"{word.group()}"'
    if name.endswith(".md"):
        yield from long_sentences(text)


def long_sentences(text):
    """Finds long sentences in paragraphs and list items. Code, tables and headings are skipped."""
    blank = lambda match: "\n" * match.group().count("\n")
    prose = re.sub(r"^( *)```.*?^\1```$", blank, text, flags=re.DOTALL | re.MULTILINE)
    paragraph, start = [], 0
    for number, line in enumerate(prose.split("\n") + [""], 1):
        is_item = re.match(r"\s*([-*]|\d+\.) ", line)
        if paragraph and (is_item or not line.strip() or line.startswith(("#", "|"))):
            for sentence in re.split(r"(?<=[.!?:])\s+(?=[A-Z`*\[])", " ".join(paragraph)):
                count = len(re.findall(r"[^\s|]*\w[^\s|]*", re.sub(r"`[^`]*`", "code", sentence)))
                if count > WORDS_PER_SENTENCE_MAX:
                    yield start, f"a sentence of {count} words: {sentence[:60]}…"
            paragraph = []
        if line.strip() and not line.startswith(("#", "|")):
            start = start if paragraph else number
            paragraph.append(line.strip())


def main():
    count = 0
    for name in tracked():
        for number, what in findings(name):
            print(f"{name}:{number}: {what}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
