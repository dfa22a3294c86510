"""`p2pme network`: the networks that a contract may name, and whether one of the user's own can be among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import say_object, short_json_option
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import Commands, examples

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Checked, Layer, Network, Networks


@click.group(cls=Commands)
def network() -> None:
    """List networks; see whether one of your own can be trained by gossip."""


@network.command(
    "list",
    epilog=examples(
        "p2pme network list --classes 5",
        "p2pme network list --json",
    ),
)
@click.option("--classes", metavar="K", type=Whole(2), default=3, show_default=True, help="Outputs.")
@short_json_option
def list_networks(classes: int, as_json: bool) -> None:
    """Every network: its input, what is trained and sent of it, a model's bytes."""
    from p2pfl_me.networks import NETWORKS, Use
    from p2pfl_me.networks.kinds.own import Own

    if as_json:
        listed: list[Network] = [
            {
                "backbone": name,
                "about": its.about,
                "input_size": its.side,
                "trainable": trainable,
                "values": (size := its.layout(Use(classes, its.side, trainable)).size),
                "bytes": 4 * size,
            }
            for name, kind in NETWORKS.items()
            if kind is not Own
            for its in (NETWORKS.of(name),)
            for trainable in its.trainables
        ]
        told: Networks = {"classes": classes, "networks": listed}
        say_object(told)
        return
    click.echo(f"{'model.backbone':20} {'input':>7} {'model.trainable':>15} {'values':>10} {'MB sent':>8}")
    for name, kind in NETWORKS.items():
        if kind is Own:
            continue
        its = NETWORKS.of(name)
        for trainable in its.trainables:
            size = its.layout(Use(classes, its.side, trainable)).size
            values = f"{its.side}x{its.side}"
            click.echo(f"{name:20} {values:>7} {trainable:>15} {size:>10,} {4e-6 * size:>8.3f}")
        click.echo(f"  {its.about}")
    click.echo(f"own{'':17} {'any':>7}\n  {Own.about}; `p2pme network check` writes what the contract says of it")


@network.command(
    epilog=examples(
        "p2pme network check mylab.py:build --classes 3 --input-size 28",
        "p2pme network check mylab.py:build --json",
    )
)
@click.argument("given", metavar="FILE.py:NAME")
@click.option("--classes", metavar="K", type=Whole(2), default=3, show_default=True, help="Outputs.")
@click.option("--input-size", "side", metavar="PIXELS", type=Whole(1, 1024), help="Side of its input.")
@click.option("--trained", metavar="PART", multiple=True, help="Train and send only this part of it. Repeatable.")
@short_json_option
def check(given: str, classes: int, side: int | None, trained: tuple[str, ...], as_json: bool) -> None:
    """Build the network, ask it, train it a step: what would travel, whether every layer learns, and what cannot work.

    NAME is a function or class that gives a torch.nn.Module: called with the number of classes, by position or as
    `classes`, and with `input_size` if it asks for that. Parameters that ask for no gradient are frozen, and never
    travel. At the end stands what a contract says of it.
    """
    import yaml

    from p2pfl_me.learning.own import examine
    from p2pfl_me.networks import Use
    from p2pfl_me.networks.code import Code
    from p2pfl_me.networks.kinds.own import Own

    code = Code.of(given)
    found = examine(code, classes, trained=trained, side=side or code.own_side() or Own.side)
    layout = found.network.layout(Use(classes, found.side))
    section = {"backbone": found.network.model_dump(mode="json", exclude_none=True), "input_size": found.side}
    if as_json:
        layers: list[Layer] = [
            {"name": name, "shape": list(shape), "group": group, "learns": name not in found.still}
            for (name, shape), group in zip(layout.shapes, layout.groups, strict=True)
        ]
        checked: Checked = {
            "layers": layers,
            "values": layout.size,
            "bytes": 4 * layout.size,
            "frozen": found.frozen,
            "remarks": list(found.remarks),
            "model": section,
        }
        say_object(checked)
        return
    wide = max(len(name) for name, _ in layout.shapes)
    for (name, shape), group in zip(layout.shapes, layout.groups, strict=True):
        reached = "  NO GRADIENT" if name in found.still else ""
        click.echo(f"{name:{wide}}  {'x'.join(map(str, shape)) or '1':>14}  {group.value}{reached}")
    click.echo(f"{layout.size:,} values travel: {4 * layout.size:,} bytes a model, to each neighbour in each round")
    click.echo(f"{found.frozen:,} values are frozen and stay home" if found.frozen else "nothing is frozen")
    if found.still:
        click.echo(f"no gradient reaches {', '.join(found.still)}: they travel for nothing")
    else:
        click.echo("gradients reach every layer that is trained")
    for remark in found.remarks:
        click.echo(f"note: {remark}")
    click.echo("\nIn the contract:\n")
    click.echo(yaml.safe_dump({"model": section}, sort_keys=False, default_flow_style=None, width=110), nl=False)
