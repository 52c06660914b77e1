"""`wattline demo`: the whole product on one machine, for as long as one likes to look."""

from wattline.demo.command import demo

__all__ = ["demo"]
