"""Where things are on screen in a viewer, for tests that use the mouse."""

VIEWER = "document.querySelector('.locref-map')?.viewer"
SETTLED = f"() => {VIEWER}?.stage.first?.volume && {VIEWER}.surface.isSettled"
# Share of a slice's pixels close to a colour.
SHARE = """([index, colour]) => {
    const canvas = document.querySelectorAll('.locref-panel:not([data-view="3d"]) canvas')[index];
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let close = 0;
    for (let i = 0; i < data.length; i += 4)
        close += colour.every((value, c) => Math.abs(value - data[i + c]) < 40);
    return close / (data.length / 4);
}"""
# What has to be read and is cut off.
CLIPPED = """() => [...document.querySelectorAll('.locref-map *')]
    .filter(element => element.scrollWidth > element.clientWidth + 1
        && getComputedStyle(element).display !== 'inline' && element.clientWidth > 0)
    .map(element => element.tagName + element.className + ' ' + element.textContent)"""
FULCRUM, MASK, MAP = [209, 73, 12], [0, 114, 178], [194, 146, 46]


def picture_box(page, view):
    """Rectangle of a picture: "xy", "xz", "yz" or "3d"."""
    return page.locator(f".locref-panel[data-view='{view}'] .locref-frame").bounding_box()


def at_voxel(page, view, right, up, size=48):
    """Where a voxel of a slice is: the whole box, of one size or two, fits into the picture."""
    box = picture_box(page, view)
    across, high = size if isinstance(size, tuple) else (size, size)
    scale = min(box["width"] / across, box["height"] / high)
    return (
        box["x"] + box["width"] / 2 + (right - (across - 1) / 2) * scale,
        box["y"] + box["height"] / 2 - (up - (high - 1) / 2) * scale,
    )


def in_surface(page, voxel):
    """Where a voxel is seen in the surface picture, on the page and within the picture."""
    box = picture_box(page, "3d")
    x, y = page.evaluate(
        f"voxel => {{ const s = {VIEWER}.surface;"
        " return s.camera.project(voxel, s.width, s.height).slice(0, 2); }",
        list(voxel),
    )
    # The frame's border is not the picture's.
    return box["x"] + 1 + x, box["y"] + 1 + y


def line_of_sight(page, place):
    """Origin and direction, in voxels, of the line of sight at a place of the page."""
    box = picture_box(page, "3d")
    ray = page.evaluate(
        f"([x, y]) => {{ const s = {VIEWER}.surface;"
        " return s.camera.ray(x, y, s.width, s.height); }",
        [place[0] - box["x"] - 1, place[1] - box["y"] - 1],
    )
    return ray["origin"], ray["direction"]


def wait_for_heading(page, words):
    page.locator("figcaption", has_text=words).wait_for()
