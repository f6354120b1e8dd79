"""Files of cryoSPARC with a fault each: one message that names the file, the place, the remedy."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryosparc.dataset import CSDAT_FORMAT, Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.convert import convert_particles
from locref_widgets.io.cs import read_cs
from locref_widgets.io.particles import read_particles
from tests.io.cs_files import COUNT, CsRecipe, fields, save

Change = Callable[[dict[str, np.ndarray]], None]


def without(*prefixes: str) -> Change:
    def change(fields: dict[str, np.ndarray]) -> None:
        for name in [n for n in fields if n.startswith(prefixes)]:
            del fields[name]

    return change


def value(name: str, row: int, number: float) -> Change:
    def change(fields: dict[str, np.ndarray]) -> None:
        fields[name][row] = number

    return change


def replaced(**columns: np.ndarray) -> Change:
    def change(fields: dict[str, np.ndarray]) -> None:
        fields |= {name.replace("__", "/"): column for name, column in columns.items()}

    return change


def no_rows(fields: dict[str, np.ndarray]) -> None:
    fields.update({name: column[:0] for name, column in fields.items()})


CASES: dict[str, tuple[Change, str]] = {
    "no rows": (no_rows, "holds no particles: 0 rows of 30 fields"),
    "no poses": (
        without("alignments3D"),
        r"no poses: the field alignments3D/pose is absent\. Local refinement starts",
    ),
    "no shifts": (without("alignments3D/shift"), "no field alignments3D/shift"),
    "no half-sets": (without("alignments3D/split"), "no half-sets: the field alignments3D/split"),
    "one half-set": (
        replaced(alignments3D__split=np.ones(COUNT, np.uint32)),
        "all 6 particles are in half-set 1",
    ),
    "half-set 2": (value("alignments3D/split", 3, 2), r"row 4 has alignments3D/split = 2"),
    "pose is NaN": (value("alignments3D/pose", 2, np.nan), "row 3 has alignments3D/pose = .nan"),
    "shift is infinite": (value("alignments3D/shift", 0, np.inf), "row 1 has alignments3D/shift"),
    "pose of two numbers": (
        replaced(alignments3D__pose=np.zeros((COUNT, 2), np.float32)),
        r"alignments3D/pose is float32 with shape \(6, 2\), expected numbers with shape \(6, 3\)",
    ),
    "no images": (without("blob"), r"no field blob/path.*passthrough"),
    "path is a number": (replaced(blob__path=np.zeros(COUNT)), "blob/path is float64, expected te"),
    "empty path": (replaced(blob__path=np.array([b""] * COUNT)), "row 1 has blob/path = ''"),
    "path is no UTF-8": (replaced(blob__path=np.array([b"\xff\xfe"] * COUNT)), "not UTF-8"),
    "negative number": (
        replaced(blob__idx=np.array([0, 1, -1, 2, 3, 4])),
        "row 3 .*and blob/idx = -1",
    ),
    "number with a fraction": (
        replaced(blob__idx=np.array([0, 1, 1.5, 2, 3, 4])),
        "row 3 has blob/idx = 1.5, expected whole numbers",
    ),
    "stack too short": (value("blob/idx", 4, 6), "row 5 names image 7 of .*holds 6 images"),
    "stack absent": (
        replaced(blob__path=np.array([b"J1/stack.mrcs"] * 5 + [b">J1/gone.mrcs"])),
        "row 6 names the stack J1/gone.mrcs, which is not there",
    ),
    "another box": (value("blob/shape", 1, 20), r"row 2 has blob/shape = \[20 20\], but .*16 px"),
    "no pixel size": (without("blob/psize_A"), "no field blob/psize_A"),
    "pixel size of zero": (value("blob/psize_A", 1, 0), "row 2 has blob/psize_A = 0"),
    "two pixel sizes": (value("blob/psize_A", 1, 3), "more than one pixel size"),
    "sign of zero": (value("blob/sign", 5, 0), "row 6 has blob/sign = 0, expected 1 or -1"),
    "no CTF": (without("ctf"), "no field ctf/accel_kv.*or export the group ctf as well"),
    "no defocus": (without("ctf/df1_A"), "no field ctf/df1_A"),
    "contrast in percent": (value("ctf/amp_contrast", 1, 10), "10 % is 0.1, not 10"),
    "voltage of zero": (value("ctf/accel_kv", 0, 0), "row 1 has ctf/accel_kv = 0"),
    "beyond float32": (value("ctf/phase_shift_rad", 1, 3e38), "row 2 gives a phase_shift_deg"),
    "magnification that mirrors": (value("ctf/anisomag", 2, -2), "row 3 has ctf/anisomag"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_message_says_what_and_where(cs_recipe: CsRecipe, case: str) -> None:
    change, said = CASES[case]
    change(cs_recipe.fields)
    path = cs_recipe.write()
    before = path.read_bytes()
    with pytest.raises(InputError, match=said) as caught:
        read_particles(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_absent_half_sets_may_be_allowed(cs_recipe: CsRecipe) -> None:
    del cs_recipe.fields["alignments3D/split"]
    assert read_particles(cs_recipe.write(), need_half_sets=False).half_sets is None


PICKLED = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
FILES = {
    "empty": (b"", "is no .cs file"),
    "text": (b"data_\n", "is no .cs file: it begins with b'data_"),
    "an array": (
        b"\x93NUMPY\x01\x00F\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        "is damaged or cut off",
    ),
    "pickled objects": (
        PICKLED.ljust(128) + b"cos\nsystem\n(S'ls'\ntR.",
        "expected one record of fields",
    ),
    "a stream cut off": (b"\x95CSDAT\xff\xff", "is damaged or cut off"),
    "a stream without JSON": (b"\x95CSDAT\x04\x00\x00\x00nope", "header cannot be understood"),
}


@pytest.mark.parametrize("case", FILES)
def test_what_is_no_cs_file(tmp_path: Path, case: str) -> None:
    content, said = FILES[case]
    path = tmp_path / "particles.cs"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_particles(path)
    assert str(path) in str(caught.value)


def test_a_header_that_promises_more_than_the_file_holds(tmp_path: Path) -> None:
    """Neither form makes the reader ask for the memory that its header speaks of."""
    huge = 10**15
    header = f"{{'descr': [('uid', '<u8')], 'fortran_order': False, 'shape': ({huge},), }}\n"
    plain = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(80)
    text = f'{{"length": {huge}, "dtype": [["a", "<f4"]], "compression": "lz4", '
    text += '"compressed_fields": ["a"]}'
    stream = b"\x95CSDAT" + len(text).to_bytes(4, "little") + text.encode()
    stream += (8).to_bytes(4, "little") + bytes(8)
    tracemalloc.start()
    for content in (plain, stream):
        (tmp_path / "p.cs").write_bytes(content)
        with pytest.raises(InputError, match="is damaged or cut off"):
            read_cs(tmp_path / "p.cs")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**7


def both_forms(folder: Path) -> list[bytes]:
    plain = save(folder / "p.cs", fields())
    Dataset.load(plain).save(folder / "c.cs", format=CSDAT_FORMAT)
    return [plain.read_bytes(), (folder / "c.cs").read_bytes()]


def refused_or_done(function: Callable[[], object], path: Path) -> None:
    """Only `InputError` may come of a call, and it names the file."""
    said = path.name
    try:
        function()
    except InputError as error:
        said = str(error)
    assert path.name in said


def read_or_refuse(path: Path) -> None:
    refused_or_done(lambda: convert_particles(path, path.with_name("out.star")), path)


def test_damaged_files_are_refused_in_words(
    tmp_path: Path, rng: np.random.Generator, request
) -> None:
    """Bytes of real headers and of small files flipped, and files cut off: no other exception."""
    contents = both_forms(tmp_path)
    folder = request.getfixturevalue("shared_data") / "cs"
    contents += [(folder / "cryosparc_J2_particles_exported.cs").read_bytes()]
    contents += [(folder / "4k_dataset.cs").read_bytes()]
    path = tmp_path / "damaged.cs"
    tracemalloc.start()
    for content in contents:
        for _ in range(30):
            damaged = bytearray(content)
            for _ in range(rng.integers(1, 4)):
                # Half of the damage in the first bytes, where lengths and types are.
                end = len(content) if rng.random() < 0.5 else 700
                damaged[rng.integers(0, end)] = rng.integers(0, 256)
            path.write_bytes(damaged)
            read_or_refuse(path)
        for length in rng.integers(0, len(content), 20).tolist():
            path.write_bytes(content[:length])
            with pytest.raises(InputError):
                read_cs(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The largest file has 8 kB; a thousand times that is what texts may take.
    assert peak < 30 * 10**6


COLUMN = st.one_of(
    st.tuples(st.sampled_from(["<f4", "<u4", "<f8", "<i8", "<u8", "|i1", ">f4"]), st.just(None)),
    st.tuples(st.sampled_from(["<f4", "<u4"]), st.integers(1, 5)),
    st.tuples(st.sampled_from(["S5", "S1", "U3"]), st.just(None)),
)
NAMES = st.sampled_from([*fields(), "location/micrograph_path", "location/center_x_frac"])


@given(
    columns=st.dictionaries(NAMES, COLUMN, min_size=1, max_size=30), data=st.binary(max_size=400)
)
@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_fields_with_any_bytes(tmp_path: Path, columns: dict, data: bytes) -> None:
    dtype = np.dtype(
        [
            (name, kind) if width is None else (name, kind, (width,))
            for name, (kind, width) in columns.items()
        ]
    )
    repeated = (data or b"\0") * (3 * dtype.itemsize // max(1, len(data)) + 1)
    rows = np.frombuffer(repeated[: 3 * dtype.itemsize], np.uint8).copy()
    for name in dtype.names or ():
        kind, offset = dtype.fields[name]  # type: ignore[index]
        if kind.base.kind == "U":  # any bytes are no Unicode
            rows.reshape(3, -1)[:, offset : offset + kind.itemsize] = 0
    path = tmp_path / "any.cs"
    with path.open("wb") as handle:
        np.save(handle, rows.view(dtype))
    read_or_refuse(path)
    refused_or_done(lambda: read_particles(path), path)


def test_a_uid_that_the_passthrough_file_lacks(cs_recipe: CsRecipe, tmp_path: Path) -> None:
    path = cs_recipe.write()
    uid = cs_recipe.fields["uid"]
    other = {"uid": np.r_[uid[:4], np.array([1, 2], np.uint64)], "x/y": np.zeros(6)}
    beside = save(path.with_name("J24_passthrough_particles.cs"), other)
    with pytest.raises(InputError, match=rf"row 5 \(uid {uid[4]}\) is not in .*\(2 rows likewise"):
        read_particles(path)
    save(beside, other | {"uid": np.r_[uid[:5], uid[:1]]})
    with pytest.raises(InputError, match="holds a uid twice"):
        read_particles(path)
    save(beside, {"x/y": np.zeros(6)})
    with pytest.raises(InputError, match="has no field uid"):
        read_particles(path)
    assert len(read_particles(path, passthrough=[])) == COUNT


CSG = {
    "no YAML": ("results: [", "is no YAML file"),
    "a list": ("[1, 2]", "has no results"),
    "no results": ("group: {name: x}", "has no results"),
    "a file absent": ("results: {blob: {metafile: '>gone.cs'}}", "gone.cs: no such file"),
    "no name": ("results: {blob: {num_items: 3}}", "results/blob has no metafile"),
    "an object": ("!!python/object/apply:os.system ['false']", "is no YAML file"),
}


@pytest.mark.parametrize("case", CSG)
def test_a_bad_group_file(tmp_path: Path, case: str) -> None:
    text, said = CSG[case]
    (tmp_path / "particles.csg").write_text(text)
    with pytest.raises(InputError, match=said):
        read_particles(tmp_path / "particles.csg")


def test_writing_where_nothing_can_be_written(cs_recipe: CsRecipe, tmp_path: Path) -> None:
    particles = read_particles(cs_recipe.write())
    with pytest.raises(OutputError, match="Its folder does not exist"):
        particles.write_cs(tmp_path / "none" / "out.cs")
