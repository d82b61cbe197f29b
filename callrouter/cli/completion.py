"""`callrouter completion`: lets a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Prints what makes SHELL complete the commands and options of callrouter.

    Bash, in ~/.bashrc: eval "$(callrouter completion bash)"

    Zsh, in ~/.zshrc: eval "$(callrouter completion zsh)"

    Fish, in ~/.config/fish/config.fish: callrouter completion fish | source
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(context.find_root().command, {}, "callrouter", "_CALLROUTER_COMPLETE").source())
