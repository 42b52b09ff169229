"""What a paper takes from a run: tables and figures in LaTeX, a methods section, and the BibTeX of what it cites.

Everything is made of a run's tables and its manifest alone, and the same run gives the same texts.
"""

from interp.paper.figures import FigureOfRun as FigureOfRun
from interp.paper.figures import figure_texts as figure_texts
from interp.paper.texts import paper_texts as paper_texts
