"""What tests do with a mask studio, in place of the browser."""

import time

import numpy as np

from tests.widgets.test_map_view import receive, sent


def stroke(studio, number, spheres, **more):
    receive(studio.view, kind="stroke", stroke=number, spheres=spheres, **more)


def press(widget, words):
    def walk(inner):
        yield inner
        for child in getattr(inner, "children", ()):
            yield from walk(child)

    next(w for w in walk(widget) if getattr(w, "description", "") == words).click()


def wait_for(done):
    for _ in range(600):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to an end")


def in_whole(content, buffer):
    """A volume of which a box was sent, the rest 0."""
    whole = np.zeros(content["shape"][::-1], np.uint8)
    (x, y, z), (nx, ny, nz) = content["low"], content["size"]
    whole[z : z + nz, y : y + ny, x : x + nx] = np.frombuffer(buffer, np.uint8).reshape(nz, ny, nx)
    return whole


def boxes(wire):
    """Boxes of the mask that were sent, and their bytes."""
    return [
        (content, np.frombuffer(buffers[0], np.uint8))
        for content, buffers in sent(wire)
        if content["kind"] == "box"
    ]


def follow(shown, wire):
    """What a browser makes of the boxes."""
    for content, data in boxes(wire):
        (x, y, z), (nx, ny, nz) = content["low"], content["size"]
        shown[z : z + nz, y : y + ny, x : x + nx] = data.reshape(nz, ny, nx)
    wire.clear()
