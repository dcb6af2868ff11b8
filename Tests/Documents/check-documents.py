#!/usr/bin/env python3
"""Looks at the documents: links lead somewhere, tables of TOML can be read, commands and settings are all described, and each statement of the
specifications has a test that names it. Needs no build.
  check-documents.py      one line for each fault; fails where there is one
"""
import os, re, sys, tomllib

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
pages = []
for folder, folders, files in os.walk("."):
    # What is built or hidden is nobody's document.
    folders[:] = [name for name in folders if not name.startswith(".") and name != "build"]
    pages += sorted(os.path.normpath(os.path.join(folder, file)) for file in files if file.endswith(".md"))
faults = []
LONGEST_README = 150


def fault(place, what):
    faults.append(f"{place}: {what}")


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def blocks(page, language):
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text(page), re.M | re.S)


def prose(page):
    return re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.M | re.S)


def anchors(page):
    """As the sites that show such pages make them of headings."""
    headings = re.findall(r"^#+ +(.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links(page):
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        if not os.path.exists(file):
            fault(page, f"{target} leads nowhere")
        elif anchor and file.endswith(".md") and anchor not in anchors(file):
            fault(page, f"{file} has no heading for #{anchor}")


def check_toml(page):
    for block in blocks(page, "toml"):
        try:
            tomllib.loads(block)
        except tomllib.TOMLDecodeError as error:
            fault(page, f"a block of TOML can't be read: {error}: {block.splitlines()[0]}")


def described(page, names, kind):
    words = set(re.findall(r"`([^`]+)`", prose(page)))
    known = {part for word in words for part in re.split(r"[\s|,]+|(?<=\w)\[", word)}
    for name in names:
        if name not in known:
            fault(page, f"the {kind} {name} is not described")


def settings(path):
    """The keys of a table of settings, as its source has them."""
    return re.findall(r'Setting(?:\.users|\.groups)?\(\s*"([a-z][a-z.-]*)"', text(path))


for page in pages:
    if page.startswith("docs/spec/"):
        continue
    check_links(page)
    check_toml(page)
lines = text("README.md").count("\n")
if lines > LONGEST_README:
    fault("README.md", f"{lines} lines, and {LONGEST_README} are the most")
host = [key.removeprefix("limits.") for key in settings("Sources/Host/HostDaemon/ConfigurationSettings.swift")]
provider = settings("Sources/Host/Providers/Discovery/ManifestSettings.swift")
described("docs/reference/configuration.md", host + provider, "setting")
commands = []
for name in sorted(name for name in os.listdir("Sources/nsphost") if name.endswith(".swift")):
    commands += re.findall(r'commandName: "([a-z]+)"', text(os.path.join("Sources/nsphost", name)))
inner = {"nsphost", "show", "kick", "close", "install", "remove", "check", "help", "list", "manual"}
described("docs/reference/commands.md", [name for name in commands if name not in inner], "command")

# Statements that no test names, and why.
UNTESTED = {
    "NSP-240": "the samples are Microsoft's, and not in this repository; sample-providers/windows-style has others of their kind",
    "NSP-242": "the same",
    "NSP-243": "the same",
}
STATEMENT = r"\b(NSP|NMR|CON)-(\d{3})\b"


def sources(*tops):
    for top in tops:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.islink(path) and name.endswith((".swift", ".c", ".h", ".cpp", ".rs", ".def", ".sh", ".py")):
                    yield path


def cited(path):
    """Statements by their names, and those between two of them."""
    words = text(path)
    found = set(re.findall(STATEMENT, words))
    for kind, first, last in re.findall(STATEMENT + r" to (?:NSP|NMR|CON)-(\d{3})", words):
        found |= {(kind, f"{number:03}") for number in range(int(first), int(last) + 1)}
    return {"-".join(one) for one in found}


specified, sections = set(), {}
for name in ("nsp", "nmr", "condis"):
    words = text(f"docs/spec/{name}.md")
    specified |= {"-".join(one) for one in re.findall(STATEMENT, words)}
    sections[name] = set(re.findall(r"^#+ (\d+(?:\.\d+)*)", words, re.M))
tested = set()
for path in sources("Sources", "Plugins", "Tests", "sample-providers", "Benchmarks"):
    if path.endswith("check-documents.py"):
        continue
    named = cited(path)
    tested |= named if path.startswith("Tests") else set()
    for one in sorted(named - specified):
        fault(path, f"{one} is no statement of docs/spec")
    for name, section in re.findall(r"\b(nsp|nmr|condis)\.md §(\d+(?:\.\d+)*)", text(path)):
        if section not in sections[name]:
            fault(path, f"docs/spec/{name}.md has no §{section}")
for one in sorted(specified - tested - set(UNTESTED)):
    fault("docs/spec", f"no test names {one}")
for one in sorted(set(UNTESTED) & tested):
    fault("Tests/Documents/check-documents.py", f"{one} has a test")

for line in faults:
    print(f"FAILED  {line}")
print(f"{len(pages)} pages, {len(host) + len(provider)} settings, {len(commands)} commands")
sys.exit(1 if faults or not host or not provider or not commands else 0)
