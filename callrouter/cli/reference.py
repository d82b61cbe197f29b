"""The reference page of the command line, made from the commands: `python -m callrouter.cli.reference` prints it."""

from collections.abc import Iterator
from inspect import cleandoc

import click

from callrouter.cli import main

HEAD = """# The command line

`callrouter NOUN VERB`. It works on the database of the settings, so most commands need no process that runs.

- Exit codes: 0 done; 1 refused or not found, with the reason in one line on standard error; 2 wrong usage. Commands
  that say so have others.
- `--json` prints the same facts in a stable shape; commands that follow something print one JSON object a line.
- `--account AC…` names the account; by default it is `CALLROUTER_CLI_ACCOUNT`, else the only one.
- Settings are [environment variables](settings.md). `callrouter completion bash` (or zsh, fish) lets a shell complete
  commands and options.

This page is made by `make docs`.
"""
USUAL = {"--help", "--json", "--account"}
"""Options that the head tells of."""


def page() -> str:
    """All commands, in alphabetical order."""
    context = click.Context(main, info_name="callrouter")
    return "\n".join([HEAD, *_commands(main, context)])


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield from _command(command, context)
        return
    if context.parent is not None:
        yield f"{_level(context)} {context.command_path}\n"
        yield f"{_text(command)}\n"
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        if inner is None or inner.hidden or context.command_path + " " + name == "callrouter run smpp":
            continue  # the gateway is a program of an extra: docs/how-to/smpp.md
        yield from _commands(inner, click.Context(inner, info_name=name, parent=context))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    arguments = [
        _argument(one, context) for one in command.get_params(context) if isinstance(one, click.Argument)
    ]
    yield f"{_level(context)} {context.command_path}\n"
    yield f"    {' '.join([context.command_path, *arguments])}\n"
    yield f"{_text(command)}\n"
    options = [one for one in command.get_params(context) if isinstance(one, click.Option) and not one.hidden]
    rows = [_option(one, context) for one in options if not USUAL & set(one.opts)]
    if rows:
        yield "| option | default | meaning |\n| --- | --- | --- |"
        yield "\n".join(rows) + "\n"


def _level(context: click.Context) -> str:
    return "##" if len(context.command_path.split()) == 2 else "###"


def _argument(argument: click.Argument, context: click.Context) -> str:
    name = argument.make_metavar(context)
    return name if "\n" not in name else argument.human_readable_name


def _option(option: click.Option, context: click.Context) -> str:
    names = " / ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag or option.count else f" `{option.make_metavar(context)}`"
    required = "required" if option.required else ""
    shown = option.default if isinstance(option.default, str | int | float) else None
    default = f"`{shown}`" if shown not in (None, "") and not option.is_flag else required
    cells = (names + value, default, option.help or "")
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _text(command: click.Command) -> str:
    return cleandoc(command.help or "").split("\f")[0].replace("<", "\\<")


if __name__ == "__main__":
    print(page())
