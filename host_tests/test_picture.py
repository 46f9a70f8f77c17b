"""The picture of a run: a line that no legend names tells nobody anything."""

from matplotlib import pyplot as plt

from hw_tests.bench import picture
from hw_tests.bench.record import SAMPLED


def test_every_line_of_the_power_path_stands_in_its_legend():
    figure, axis = plt.subplots()
    picture._path(axis, [0.0, 1.0], {name: [1.0, 2.0] for name in SAMPLED})
    lines = [line for each in figure.axes for line in each.get_lines()]
    legends = [each.get_legend() for each in figure.axes if each.get_legend()]
    named = [text.get_text() for legend in legends for text in legend.get_texts()]
    plt.close(figure)
    assert len(lines) == 3 and sorted(named) == sorted(line.get_label() for line in lines)
    assert set(named) == {"link", "inlet", "current (right)"}
