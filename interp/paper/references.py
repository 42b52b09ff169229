"""BibTeX of the papers whose definitions and methods a run has used, and of the programs that ran it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A work: its key, how it is named in a text, its BibTeX, and by which words a definition's source names it."""

    key: str
    cited_as: str
    kind: str
    fields: tuple[tuple[str, str], ...]
    named: tuple[str, ...] = ()

    @property
    def bibtex(self) -> str:
        """The entry of a `.bib` file."""
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])

    @property
    def in_words(self) -> str:
        """Authors, title, where and year, as a line of text."""
        known = dict(self.fields)
        plain = {name: _plain(value) for name, value in known.items()}
        where = plain.get("booktitle") or plain.get("journal") or plain.get("publisher") or plain.get("howpublished")
        identified = f" doi:{known['doi']}" if "doi" in known else f" {plain['url']}" if "url" in known else ""
        authors = plain["author"].replace(" and others", " et al").replace(" and ", "; ").removesuffix(".")
        return f"{authors}. {plain['title']}. {where}, {known['year']}.{identified}"


def _paper(key: str, cited_as: str, named: str, kind: str = "inproceedings", **fields: str) -> Reference:
    return Reference(key, cited_as, kind, tuple(fields.items()), (named,) if named else ())


_BLACKBOX = "Proceedings of the 2019 {ACL} Workshop {BlackboxNLP}: Analyzing and Interpreting Neural Networks for {NLP}"
_ACL2019 = "Proceedings of the 57th Annual Meeting of the Association for Computational Linguistics"
_EMNLP2019 = (
    "Proceedings of the 2019 Conference on Empirical Methods in Natural Language Processing and the 9th International "
    "Joint Conference on Natural Language Processing ({EMNLP-IJCNLP})"
)
_THREAD = "Transformer Circuits Thread"

REFERENCES = (
    _paper(
        "clark2019",
        "Clark et al. 2019",
        "Clark et al. 2019",
        author="Clark, Kevin and Khandelwal, Urvashi and Levy, Omer and Manning, Christopher D.",
        title="What Does {BERT} Look at? An Analysis of {BERT}'s Attention",
        booktitle=_BLACKBOX,
        year="2019",
        pages="276--286",
        doi="10.18653/v1/W19-4828",
    ),
    _paper(
        "voita2019",
        "Voita et al. 2019",
        "Voita et al. 2019",
        author="Voita, Elena and Talbot, David and Moiseev, Fedor and Sennrich, Rico and Titov, Ivan",
        title=("Analyzing Multi-Head Self-Attention: Specialized Heads Do the Heavy Lifting, the Rest Can Be Pruned"),
        booktitle=_ACL2019,
        year="2019",
        pages="5797--5808",
        doi="10.18653/v1/P19-1580",
    ),
    _paper(
        "vig2019",
        "Vig & Belinkov 2019",
        "Vig & Belinkov 2019",
        author="Vig, Jesse and Belinkov, Yonatan",
        title="Analyzing the Structure of Attention in a Transformer Language Model",
        booktitle=_BLACKBOX,
        year="2019",
        pages="63--76",
        doi="10.18653/v1/W19-4808",
    ),
    _paper(
        "michel2019",
        "Michel et al. 2019",
        "Michel et al. 2019",
        author="Michel, Paul and Levy, Omer and Neubig, Graham",
        title="Are Sixteen Heads Really Better than One?",
        booktitle="Advances in Neural Information Processing Systems 32",
        year="2019",
    ),
    _paper(
        "louizos2018",
        "Louizos et al. 2018",
        "Louizos et al. 2018",
        author="Louizos, Christos and Welling, Max and Kingma, Diederik P.",
        title="Learning Sparse Neural Networks through {$L_0$} Regularization",
        booktitle="International Conference on Learning Representations ({ICLR})",
        year="2018",
    ),
    _paper(
        "kovaleva2019",
        "Kovaleva et al. 2019",
        "Kovaleva et al. 2019",
        author="Kovaleva, Olga and Romanov, Alexey and Rogers, Anna and Rumshisky, Anna",
        title="Revealing the Dark Secrets of {BERT}",
        booktitle=_EMNLP2019,
        year="2019",
        pages="4365--4374",
        doi="10.18653/v1/D19-1445",
    ),
    _paper(
        "kobayashi2020",
        "Kobayashi et al. 2020",
        "Kobayashi et al. 2020",
        author="Kobayashi, Goro and Kuribayashi, Tatsuki and Yokoi, Sho and Inui, Kentaro",
        title="Attention is Not Only a Weight: Analyzing Transformers with Vector Norms",
        booktitle="Proceedings of the 2020 Conference on Empirical Methods in Natural Language Processing ({EMNLP})",
        year="2020",
        pages="7057--7075",
        doi="10.18653/v1/2020.emnlp-main.574",
    ),
    _paper(
        "olsson2022",
        "Olsson et al. 2022",
        "Olsson et al. 2022",
        kind="article",
        author="Olsson, Catherine and Elhage, Nelson and Nanda, Neel and Joseph, Nicholas and others",
        title="In-context Learning and Induction Heads",
        journal=_THREAD,
        year="2022",
        url="https://transformer-circuits.pub/2022/in-context-learning-and-induction-heads/index.html",
    ),
    _paper(
        "elhage2021",
        "Elhage et al. 2021",
        "Elhage et al. 2021",
        kind="article",
        author="Elhage, Nelson and Nanda, Neel and Olsson, Catherine and Henighan, Tom and others",
        title="A Mathematical Framework for Transformer Circuits",
        journal=_THREAD,
        year="2021",
        url="https://transformer-circuits.pub/2021/framework/index.html",
    ),
    _paper(
        "wang2023",
        "Wang et al. 2023",
        "Wang et al. 2023",
        author=("Wang, Kevin Ro and Variengien, Alexandre and Conmy, Arthur and Shlegeris, Buck and Steinhardt, Jacob"),
        title="Interpretability in the Wild: a Circuit for Indirect Object Identification in {GPT}-2 Small",
        booktitle="The Eleventh International Conference on Learning Representations ({ICLR})",
        year="2023",
    ),
    _paper(
        "webster2018",
        "Webster et al. 2018",
        "Webster et al. 2018",
        kind="article",
        author="Webster, Kellie and Recasens, Marta and Axelrod, Vera and Baldridge, Jason",
        title="Mind the {GAP}: A Balanced Corpus of Gendered Ambiguous Pronouns",
        journal="Transactions of the Association for Computational Linguistics",
        volume="6",
        pages="605--617",
        year="2018",
        doi="10.1162/tacl_a_00240",
    ),
    _paper(
        "zhao2018",
        "Zhao et al. 2018",
        "Zhao et al. 2018",
        author="Zhao, Jieyu and Wang, Tianlu and Yatskar, Mark and Ordonez, Vicente and Chang, Kai-Wei",
        title="Gender Bias in Coreference Resolution: Evaluation and Debiasing Methods",
        booktitle=(
            "Proceedings of the 2018 Conference of the North American Chapter of the Association for Computational "
            "Linguistics: Human Language Technologies, Volume 2 (Short Papers)"
        ),
        year="2018",
        pages="15--20",
        doi="10.18653/v1/N18-2003",
    ),
    _paper(
        "derczynski2017",
        "Derczynski et al. 2017",
        "Derczynski et al. 2017",
        author="Derczynski, Leon and Nichols, Eric and van Erp, Marieke and Limsopatham, Nut",
        title="Results of the {WNUT2017} Shared Task on Novel and Emerging Entity Recognition",
        booktitle="Proceedings of the 3rd Workshop on Noisy User-generated Text",
        year="2017",
        pages="140--147",
        doi="10.18653/v1/W17-4418",
    ),
    _paper(
        "dyer2013",
        "Dyer et al. 2013",
        "Dyer et al. 2013",
        author="Dyer, Chris and Chahuneau, Victor and Smith, Noah A.",
        title="A Simple, Fast, and Effective Reparameterization of {IBM} Model 2",
        booktitle=(
            "Proceedings of the 2013 Conference of the North American Chapter of the Association for Computational "
            "Linguistics: Human Language Technologies"
        ),
        year="2013",
        pages="644--648",
    ),
    _paper(
        "garg2019",
        "Garg et al. 2019",
        "Garg et al. 2019",
        author="Garg, Sarthak and Peitz, Stephan and Nallasamy, Udhyakumar and Paulik, Matthias",
        title="Jointly Learning to Align and Translate with Transformer Models",
        booktitle=_EMNLP2019,
        year="2019",
        pages="4453--4462",
        doi="10.18653/v1/D19-1453",
    ),
    _paper(
        "cordonnier2020",
        "Cordonnier et al. 2020",
        "Cordonnier et al. 2020",
        author="Cordonnier, Jean-Baptiste and Loukas, Andreas and Jaggi, Martin",
        title="On the Relationship between Self-Attention and Convolutional Layers",
        booktitle="International Conference on Learning Representations ({ICLR})",
        year="2020",
    ),
    _paper(
        "salazar2020",
        "Salazar et al. 2020",
        "Salazar et al. 2020",
        author="Salazar, Julian and Liang, Davis and Nguyen, Toan Q. and Kirchhoff, Katrin",
        title="Masked Language Model Scoring",
        booktitle="Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics",
        year="2020",
        pages="2699--2712",
        doi="10.18653/v1/2020.acl-main.240",
    ),
    _paper(
        "warstadt2020",
        "Warstadt et al. 2020",
        "Warstadt et al. 2020",
        kind="article",
        author=(
            "Warstadt, Alex and Parrish, Alicia and Liu, Haokun and Mohananey, Anhad and Peng, Wei and "
            "Wang, Sheng-Fu and Bowman, Samuel R."
        ),
        title="{BLiMP}: The Benchmark of Linguistic Minimal Pairs for {English}",
        journal="Transactions of the Association for Computational Linguistics",
        volume="8",
        pages="377--392",
        year="2020",
        doi="10.1162/tacl_a_00321",
    ),
    _paper(
        "benjamini1995",
        "Benjamini & Hochberg 1995",
        "",
        kind="article",
        author="Benjamini, Yoav and Hochberg, Yosef",
        title="Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple Testing",
        journal="Journal of the Royal Statistical Society: Series B (Methodological)",
        volume="57",
        number="1",
        pages="289--300",
        year="1995",
        doi="10.1111/j.2517-6161.1995.tb02031.x",
    ),
    _paper(
        "westfall1993",
        "Westfall & Young 1993",
        "",
        kind="book",
        author="Westfall, Peter H. and Young, S. Stanley",
        title="Resampling-Based Multiple Testing: Examples and Methods for p-Value Adjustment",
        publisher="Wiley",
        year="1993",
    ),
    _paper(
        "efron1993",
        "Efron & Tibshirani 1993",
        "",
        kind="book",
        author="Efron, Bradley and Tibshirani, Robert J.",
        title="An Introduction to the Bootstrap",
        publisher="Chapman \\& Hall",
        year="1993",
    ),
    _paper(
        "hesterberg2015",
        "Hesterberg 2015",
        "",
        kind="article",
        author="Hesterberg, Tim C.",
        title=("What Teachers Should Know About the Bootstrap: Resampling in the Undergraduate Statistics Curriculum"),
        journal="The American Statistician",
        volume="69",
        number="4",
        pages="371--386",
        year="2015",
        doi="10.1080/00031305.2015.1089789",
    ),
    _paper(
        "kingma2015",
        "Kingma & Ba 2015",
        "Kingma & Ba 2015",
        author="Kingma, Diederik P. and Ba, Jimmy",
        title="Adam: A Method for Stochastic Optimization",
        booktitle="3rd International Conference on Learning Representations",
        year="2015",
        url="https://arxiv.org/abs/1412.6980",
    ),
    _paper(
        "friedman2023",
        "Friedman & Dieng 2023",
        "Friedman & Dieng 2023",
        kind="article",
        author="Friedman, Dan and Dieng, Adji Bousso",
        title="The {V}endi Score: A Diversity Evaluation Metric for Machine Learning",
        journal="Transactions on Machine Learning Research",
        year="2023",
        url="https://openreview.net/forum?id=g97OHbQyk1",
    ),
    _paper(
        "deleeuw1977",
        "de Leeuw 1977",
        "de Leeuw 1977",
        kind="incollection",
        author="de Leeuw, Jan",
        title="Applications of Convex Analysis to Multidimensional Scaling",
        booktitle="Recent Developments in Statistics",
        publisher="North-Holland",
        year="1977",
        pages="133--145",
    ),
    _paper(
        "luce1959",
        "Luce 1959",
        "Luce 1959",
        kind="book",
        author="Luce, R. Duncan",
        title="Individual Choice Behavior: A Theoretical Analysis",
        publisher="Wiley",
        year="1959",
    ),
    _paper(
        "hunter2004",
        "Hunter 2004",
        "Hunter 2004",
        kind="article",
        author="Hunter, David R.",
        title="{MM} Algorithms for Generalized {Bradley--Terry} Models",
        journal="The Annals of Statistics",
        volume="32",
        number="1",
        year="2004",
        pages="384--406",
    ),
    _paper(
        "wolf2020",
        "Wolf et al. 2020",
        "",
        author="Wolf, Thomas and Debut, Lysandre and Sanh, Victor and Chaumond, Julien and others",
        title="Transformers: State-of-the-Art Natural Language Processing",
        booktitle=(
            "Proceedings of the 2020 Conference on Empirical Methods in Natural Language Processing: System "
            "Demonstrations"
        ),
        year="2020",
        pages="38--45",
        doi="10.18653/v1/2020.emnlp-demos.6",
    ),
    _paper(
        "nanda2022",
        "Nanda & Bloom 2022",
        "TransformerLens",
        kind="misc",
        author="Nanda, Neel and Bloom, Joseph",
        title="{TransformerLens}",
        howpublished="Software",
        year="2022",
        url="https://github.com/TransformerLensOrg/TransformerLens",
    ),
)
BY_KEY = {reference.key: reference for reference in REFERENCES}


def named_in(source: str) -> list[str]:
    """The keys of the works that a definition's source, or a study's title, names."""
    return [one.key for one in REFERENCES if any(name in source for name in one.named)]


def bibliography(keys: Iterable[str]) -> str:
    """The `.bib` file of these works, by their keys."""
    wanted = sorted(set(keys))
    head = "% The papers whose definitions and methods this run has used: \\bibliography{references}\n"
    return "\n\n".join([head.rstrip(), *(BY_KEY[key].bibtex for key in wanted)]) + "\n"


def _plain(value: str) -> str:
    return value.replace("{", "").replace("}", "").replace("\\&", "&").replace("--", "–")
