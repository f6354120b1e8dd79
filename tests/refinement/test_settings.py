import math

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.refinement.settings import RefinementSettings, setting_options


def test_defaults_are_those_people_know():
    settings = RefinementSettings()
    assert settings.rotation_extent == 0.35
    assert settings.shift_extent == 10.0
    assert settings.initial_lowpass == 12.0
    assert settings.dynamic_mask_threshold == 0.2
    assert (settings.dynamic_mask_near, settings.dynamic_mask_far) == (3.0, 12.0)
    assert settings.dynamic_mask_start_resolution == 12.0
    assert settings.masking == "dynamic"
    assert settings.non_uniform


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rotation_extent": 0}, r"rotation_extent is 0 rad; it must be > 0, ≤ π"),
        ({"rotation_extent": 3.15}, r"rotation_extent is 3.15 rad"),
        ({"rotation_extent": math.nan}, r"rotation_extent is nan"),
        ({"shift_extent": 0}, r"shift_extent is 0 px; it must be > 0"),
        ({"shift_extent": -2}, r"shift_extent is -2 px"),
        ({"iterations": 0}, r"iterations is 0; it must be ≥ 1"),
        ({"initial_lowpass": "fine"}, r"initial_lowpass is 'fine' Å"),
        ({"fulcrum": "middle"}, r"fulcrum is 'middle'"),
        ({"fulcrum": (1, 2)}, r"fulcrum is \(1, 2\)"),
        ({"fulcrum": (1, 2, math.inf)}, r"fulcrum is"),
        ({"fulcrum": (1, 2, 3), "fulcrum_angstrom": (1, 2, 3)}, "are both set"),
        ({"dynamic_mask_near": 12, "dynamic_mask_far": 12}, "must be larger"),
        ({"masking": "soft"}, r"masking is 'soft'.*'dynamic', 'static' or 'none'"),
        ({"rotation_exent": 1}, "no setting 'rotation_exent'; did you mean rotation_extent"),
        ({"colour": 1}, "no setting 'colour'; known are fulcrum"),
    ],
)
def test_wrong_values_are_named_with_unit_and_range(values, message):
    with pytest.raises(InputError, match=message):
        RefinementSettings(**values)


def test_distances_in_resolutions_have_values_of_their_own():
    settings = RefinementSettings(dynamic_mask_in_resolutions=True)
    assert (settings.dynamic_mask_near, settings.dynamic_mask_far) == (2.0, 5.0)
    settings = RefinementSettings(dynamic_mask_in_resolutions=True, dynamic_mask_far=3.0)
    assert (settings.dynamic_mask_near, settings.dynamic_mask_far) == (2.0, 3.0)
    with pytest.raises(InputError, match=r"dynamic_mask_far \(1\) must be larger"):
        RefinementSettings(dynamic_mask_in_resolutions=True, dynamic_mask_far=1.0)


def test_distances_of_a_file_do_not_change_their_unit(tmp_path):
    RefinementSettings().save(tmp_path / "angstrom.yaml")
    load = RefinementSettings.load
    multiples = load(tmp_path / "angstrom.yaml", dynamic_mask_in_resolutions=True)
    assert (multiples.dynamic_mask_near, multiples.dynamic_mask_far) == (2.0, 5.0)
    multiples.save(tmp_path / "multiples.yaml")
    kept = load(tmp_path / "multiples.yaml", dynamic_mask_far=6.0)
    assert (kept.dynamic_mask_near, kept.dynamic_mask_far) == (2.0, 6.0)
    back = load(tmp_path / "multiples.yaml", dynamic_mask_in_resolutions=False)
    assert (back.dynamic_mask_near, back.dynamic_mask_far) == (3.0, 12.0)


def test_two_faults_are_both_told():
    with pytest.raises(InputError, match=r"shift_extent.*seed"):
        RefinementSettings(shift_extent=0, seed=-1)


@pytest.mark.parametrize(
    "settings",
    [
        RefinementSettings(),
        RefinementSettings(fulcrum=(64, 82.5, 55), subset=100, subtract=False),
        RefinementSettings(fulcrum="mask", shift_extent=1e-7),
        RefinementSettings(fulcrum_angstrom=(-12.5, 0, 3), batch_size=7),
    ],
)
def test_yaml_gives_back_the_same(settings, tmp_path):
    settings.save(tmp_path / "settings.yaml")
    assert RefinementSettings.load(tmp_path / "settings.yaml") == settings
    assert "# Largest rotation searched" in settings.to_yaml()


def test_overrides_replace_the_file_and_a_fulcrum_replaces_the_other_unit(tmp_path):
    path = tmp_path / "settings.yaml"
    RefinementSettings(fulcrum_angstrom=(1, 2, 3), seed=5).save(path)
    settings = RefinementSettings.load(path, fulcrum=(4.0, 5.0, 6.0))
    assert settings.fulcrum == (4.0, 5.0, 6.0)
    assert settings.fulcrum_angstrom is None
    assert settings.seed == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: [1", "not valid YAML"),
        ("- 1\n- 2", "name: value"),
        ("sed: 1", "did you mean seed"),
        ("self: 1", "no setting 'self'"),
        ("!!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_a_wrong_file_says_so_with_its_name(tmp_path, text, message):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        RefinementSettings.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(InputError, match="no settings file"):
        RefinementSettings.load(tmp_path / "settings.yaml")


def test_voxels_count_from_the_corner_and_angstrom_from_the_centre():
    mask_centre = np.array([5.0, -6.0, 7.0])
    resolve = {
        "box": (0, 0, 0),
        "mask": mask_centre,
        None: (0, 0, 0),
        (32.0, 32.0, 32.0): (0, 0, 0),
        (0.0, 63.0, 32.5): (-128, 124, 2),
    }
    for fulcrum, expected in resolve.items():
        settings = RefinementSettings(fulcrum=fulcrum)
        found = settings.resolve_fulcrum_angstrom(64, 4.0, mask_centre)
        np.testing.assert_array_equal(found, expected)
    # Of an odd box, N//2 is the middle voxel.
    odd = RefinementSettings(fulcrum=(32, 31, 30)).resolve_fulcrum_angstrom(63, 2.0)
    np.testing.assert_array_equal(odd, (2, 0, -2))


def test_a_fulcrum_outside_the_box_is_refused_in_both_units():
    with pytest.raises(
        InputError, match=r"\(64\.0, 0\.0, 0\.0\) voxels .*128\.0.* Å from the centre"
    ):
        RefinementSettings(fulcrum=(64, 0, 0)).resolve_fulcrum_angstrom(64, 4.0)
    with pytest.raises(InputError, match="counts from the map's centre"):
        RefinementSettings(fulcrum_angstrom=(200, 0, 0)).resolve_fulcrum_angstrom(64, 4.0)


def test_angstrom_typed_for_voxels_is_guessed():
    with pytest.raises(InputError, match=r"give voxels: \(15\.0, 20\.0, 22\.5\)"):
        RefinementSettings(fulcrum=(60, 80, 90)).resolve_fulcrum_angstrom(64, 4.0)
    near, far = RefinementSettings(fulcrum=(40, 32, 32)), RefinementSettings(fulcrum=(60, 40, 44))
    assert near.fulcrum_warnings(64, 4.0, (0.0, 0.0, 0.0), 40.0) == []
    (warning,) = far.fulcrum_warnings(64, 4.0, (0.0, 0.0, 0.0), 40.0)
    assert "not in Å" in warning
    assert RefinementSettings(fulcrum="mask").fulcrum_warnings(64, 4.0, (0.0, 0.0, 0.0), 1.0) == []


def test_every_setting_describes_itself():
    for option in setting_options():
        assert len(option.description) > 15
        assert option.flag == "--" + option.name.replace("_", "-")
    extent = {option.name: option for option in setting_options()}["rotation_extent"]
    assert (extent.unit, extent.minimum, extent.maximum) == ("rad", 0, math.pi)
    assert extent.above_minimum
