"""Train a model on DATASET, test it, and print accuracy and confusion matrix.

python launch_training_test.py                                  asks three things
python launch_training_test.py -b 32 -j 4 --model resnet18      asks nothing
python launch_training_test.py --resume                         goes on with an unfinished run
python launch_training_test.py --test-only --resume runs/resnet18-1
"""

from collections.abc import Sequence

from utils.common.errors import run_script
from utils.training.runs import find_run
from utils.training.settings import ask_missing, check_data_folder, read_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    asked, given = read_settings(argv)
    run = find_run(asked)
    if run is None:
        check_data_folder(asked.data_dir)
        asked = ask_missing(asked)

    # PyTorch takes seconds to import; --help, a wrong flag and the questions need not wait for it.
    from models.bundle import read_weights, store_bundle
    from utils.evaluation.files import write_report
    from utils.evaluation.fitting import fit
    from utils.evaluation.report import examine
    from utils.evaluation.text import as_text
    from utils.sources.catalog import SOURCES
    from utils.training.engine import Stopped
    from utils.training.fit import test, train
    from utils.training.session import go_on, start
    from utils.training.stopping import StopRequest, listening

    session = start(asked) if run is None else go_on(run, asked, given)
    if session is None:
        return 0
    stop = StopRequest()
    folder = session.run.folder
    session.trainer.stop = stop
    with session:
        try:
            with listening(stop):
                if not asked.test_only:
                    train(session)
                answers = test(session)
        except Stopped:
            print(f"Stopped. Go on with: python launch_training_test.py --resume {folder}")
            return stop.exit_code
        calibration = fit(answers.train, answers.val, session.facts.settings.coverage)
        pictures, facts = session.pictures.folder, session.summary()
        report = examine(answers, calibration, pictures, facts, session.history, SOURCES)
        card = session.card(calibration, report.metrics.headline)
        store_bundle(folder, read_weights(session.run.best), card)
        write_report(folder, report, pictures)
    print(f"\n{as_text(report)}\n\nReport, pictures and weights: {folder}")
    return 0


if __name__ == "__main__":
    run_script(main)
