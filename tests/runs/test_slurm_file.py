"""The file of ``--executor slurm:``: what it says, and what is wrong with it in one message."""

import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs.slurm_file import SlurmFile

SMALLEST = "workers: 4\n"


def written(folder, text):
    path = folder / "gpus.yaml"
    path.write_text(text)
    return path


def test_only_the_number_of_workers_must_be_given(tmp_path):
    file = SlurmFile.load(written(tmp_path, SMALLEST))
    assert file.workers == 4
    assert file.is_local
    assert file.gpu_directive == "--gres=gpu:1"


def test_the_documented_example_is_valid(tmp_path):
    from tests.runs.test_documents import DOCS

    text = (DOCS / "cluster.md").read_text()
    example = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    for name in ("ca.pem", "run.pem", "run.key"):
        (tmp_path / "tls").mkdir(exist_ok=True)
        (tmp_path / "tls" / name).touch()
    file = SlurmFile.load(written(tmp_path, example))
    assert file.interface
    assert file.tls
    assert set(SlurmFile.model_fields) == {
        line.split(":")[0].lstrip("# ") for line in example.splitlines() if line[:1].strip()
    }


def test_paths_are_relative_to_the_file(tmp_path):
    for name in ("ca.pem", "my.pem", "my.key"):
        (tmp_path / name).touch()
    text = "interface: ib0\ntls: {ca_file: ca.pem, cert: my.pem, key: my.key}\n"
    file = SlurmFile.load(written(tmp_path, SMALLEST + text))
    assert file.tls
    assert file.tls.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected settings of SLURM workers"),
        ("- workers", "expected settings of SLURM workers"),
        ("workers: [4", r"not valid YAML \(line 1\)"),
        ("queue: gpu", "'workers' is missing"),
        ("workers: 0", "'workers' is 0: .*greater than or equal to 1"),
        ("workers: 4\nnodes: 2", "'nodes' is no setting of it; known: workers, gpu_directive"),
        ("workers: 4\nwalltime: soon", "'walltime' is 'soon'"),
        ("workers: 4\nmemory: much", "'memory' is 'much'"),
        ("workers: 4\ninterface: ib0", "run programs in your name.*tls: false"),
        ("workers: 4\ninterface: ib0\ntls: {cert: a}", "'tls.ca_file' is missing"),
        (
            "workers: 4\ntls: {ca_file: a.pem, cert: b.pem, key: c.pem}",
            r"a\.pem named under tls cannot be read",
        ),
        ("workers: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("workers: 4\nworkers_max: &a [*a]", "'workers_max' is no setting"),
    ],
)
def test_what_is_wrong_is_told_in_one_message(text, words, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=words) as fault:
        SlurmFile.load(path)
    assert str(fault.value).startswith(str(path))
    assert "\n" not in str(fault.value)


def test_on_the_machine_itself_no_certificates_are_needed(tmp_path):
    assert SlurmFile.load(written(tmp_path, SMALLEST + "interface: lo")).is_local


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        SlurmFile.load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [
        # The forms that sbatch documents.
        ("90", 5400),
        ("90:30", 5430),
        ("2:00:05", 7205),
        ("1-12", 129600),
        ("1-12:30", 131400),
        ("1-00:00:01", 86401),
    ],
)
def test_walltimes_are_read_as_slurm_reads_them(walltime, seconds):
    assert SlurmFile(workers=1, walltime=walltime).walltime_seconds == seconds
