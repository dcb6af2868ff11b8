#!/usr/bin/env python3
"""The picture of the rooms in docs/internals/rooms.md, from what `swift package describe` says of the package.
  rooms.py          fails where the picture is not the package's, where a room has no line in the table, or where an arrow runs up
  rooms.py write    puts the picture into the page
"""
import json, os, subprocess, sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
PAGE = "docs/internals/rooms.md"
BEGIN, END = "<!-- picture -->\n", "<!-- end of the picture -->\n"
# From the top down. A room may use rooms of its own folder and of those below it.
LAYERS = [
    ["nsphost", "Plugins"],
    ["Host"],
    ["Clients", "ProviderKit"],
    ["CallManagement", "ModuleRegistrar"],
    ["Core"],
    ["System"],
    ["ABI"],
]


def package():
    """The rooms, with the folder of each and the rooms that it uses."""
    told = json.loads(subprocess.run(["swift", "package", "describe", "--type", "json"], capture_output=True, text=True, check=True).stdout)
    rooms = {}
    for target in told["targets"]:
        parts = target["path"].split("/")
        if target["type"] == "test" or parts[0] not in ("Sources", "Plugins"):
            continue
        folder = parts[1] if parts[0] == "Sources" else parts[0]
        rooms[target["name"]] = (folder, sorted(target.get("target_dependencies", [])))
    return rooms


def wrong_arrows(rooms):
    height = {folder: len(LAYERS) - level for level, layer in enumerate(LAYERS) for folder in layer}
    for name, (folder, uses) in sorted(rooms.items()):
        if folder not in height:
            yield f"{name}: its folder, {folder}, is in no layer of Tests/rooms.py"
            continue
        for used in uses:
            below = rooms[used][0]
            if below != folder and height.get(below, len(LAYERS)) >= height[folder]:
                yield f"{name} uses {used}: {below} is not below {folder}"


def cycle(rooms):
    """A way from a room back to itself; empty where there is none."""
    done = set()

    def visit(name, way):
        if name in way:
            return way[way.index(name):] + [name]
        if name in done:
            return []
        for used in rooms[name][1]:
            found = visit(used, way + [name])
            if found:
                return found
        done.add(name)
        return []

    for name in sorted(rooms):
        found = visit(name, [])
        if found:
            return found
    return []


def picture(rooms):
    lines, between = ["```mermaid", "flowchart TD"], set()
    for layer in LAYERS:
        for folder in layer:
            members = sorted(name for name, (its, _) in rooms.items() if its == folder)
            if members == [folder]:
                lines.append(f"  {folder}[{folder}]")
                continue
            lines.append(f"  subgraph {folder}")
            lines += [f"    {name}[{name}]" for name in members]
            lines += [f"    {name} --> {used}" for name in members for used in rooms[name][1] if rooms[used][0] == folder]
            lines.append("  end")
    for name, (folder, uses) in rooms.items():
        between |= {(folder, rooms[used][0]) for used in uses if rooms[used][0] != folder}
    lines += [f"  {above} --> {below}" for above, below in sorted(between)]
    return "\n".join(lines + ["```"]) + "\n"


rooms = package()
page = open(PAGE).read()
before, rest = page.split(BEGIN)
old, after = rest.split(END)
if sys.argv[1:] == ["write"]:
    open(PAGE, "w").write(before + BEGIN + picture(rooms) + END + after)
    sys.exit(0)
wrong = list(wrong_arrows(rooms))
if found := cycle(rooms):
    wrong.append("a circle: " + " -> ".join(found))
if old != picture(rooms):
    wrong.append(f"the picture in {PAGE} is not the package's: Tests/rooms.py write")
rows = [line.split("|")[1].strip().strip("`") for line in after.splitlines() if line.startswith("| `")]
wrong += [f"{PAGE}: {name} has no line in the table" for name in sorted(set(rooms) - set(rows))]
wrong += [f"{PAGE}: {name} is in the table, and no room" for name in sorted(set(rows) - set(rooms))]
wrong += [f"{PAGE}: {name} is in the table twice" for name in sorted({name for name in rows if rows.count(name) > 1})]
for line in wrong:
    print(f"FAILED  {line}")
print(f"{len(rooms)} rooms, {sum(len(uses) for _, uses in rooms.values())} arrows between them")
sys.exit(1 if wrong else 0)
