"""`stemkit train`: a network from pools of vocals and accompaniment."""

from pathlib import Path

import click


@click.command()
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
def train(config: Path) -> None:
    """Train a network as CONFIG, a TOML file, says.

    Its `output` folder gets state.pt, average.safetensors (the model, which `separate --model`
    takes) and log.csv. Run it again to go on where it was stopped.
    """
    from stemkit.training.config import load_config
    from stemkit.training.loop import train as train_network

    for report in train_network(load_config(config)):
        click.echo(str(report))
