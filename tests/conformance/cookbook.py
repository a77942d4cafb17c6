"""Sheets of ours for recipes of the IIIF Cookbook, and why there is none for the others.

A recipe's Canvases stand in `pages` as a curator would list them; where the sheets of a recipe are
silent, those of `DEFAULTS` hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULTS = {
    "exhibition.toml": 'exhibition = "cookbook"\nlanguages = ["en"]\ntitle_en = "Cookbook"\n',
    "chapters.csv": "chapter,title_en\nc,Recipes\n",
}
_PLAYBILL = """record,page,file,label_en
r,1,1.jpg,front cover
r,2,2.jpg,pages 1–2
r,3,3.jpg,pages 3–4
r,4,4.jpg,pages 5–6
r,5,5.jpg,back cover
"""


@dataclass(frozen=True)
class Recipe:
    """A document of the cookbook, and the sheets from which ours is published."""

    file: str
    about: tuple[str, ...]
    """The properties that must say the same; those of ours may say more."""
    records: str
    pages: str = "record,page,file\nr,1,1.jpg\n"
    more: dict[str, str] = field(default_factory=dict)
    """Other sheets, by the names of their files."""
    kind: str = "manifest"
    identifier: str = "r"

    @property
    def sheets(self) -> dict[str, str]:
        return {**DEFAULTS, "records.csv": self.records, "pages.csv": self.pages, **self.more}


def exhibition(*lines: str) -> dict[str, str]:
    """The first sheet, with languages and more settings."""
    text = "\n".join(['exhibition = "cookbook"', 'title_en = "Cookbook"', *lines])
    return {"exhibition.toml": f"{text}\n"}


RECIPES = [
    Recipe(
        "0001-mvm-image/manifest.json",
        ("type", "label", "items"),
        "record,chapter,title_en\nr,c,Single Image Example\n",
    ),
    Recipe(
        "0005-image-service/manifest.json",
        ("label", "items", "services"),
        "record,chapter,title_en\nr,c,Picture of Göttingen taken during the 2019 IIIF Conference\n",
        "record,page,file,label_en\nr,1,1.jpg,Canvas with a single IIIF image\n",
    ),
    Recipe(
        "0006-text-language/manifest.json",
        ("label", "summary", "metadata", "requiredStatement", "items"),
        "record,chapter,title_en,title_fr,people_en,people_fr,people_none,summary_en,summary_fr\n"
        "r,c,Whistler's Mother,La Mère de Whistler,"
        '"McNeill Anna Matilda, mother of Whistler (1804-1881)",'
        '"McNeill Anna Matilda, mère de Whistler (1804-1881)",'
        '"Whistler, James Abbott McNeill",'
        '"Arrangement in Grey and Black No. 1, also called Portrait of the Artist\'s Mother.",'
        '"Arrangement en gris et noir n°1, also called Portrait de la mère de l\'artiste."\n',
        more=exhibition(
            'languages = ["en", "fr", "none"]',
            'required_statement_none = "Musée d\'Orsay, Paris, France"',
        ),
    ),
    Recipe(
        "0007-string-formats/manifest.json",
        ("label", "summary", "rights", "requiredStatement"),
        "record,chapter,title_en,summary_en,rights\n"
        "r,c,Picture of Göttingen taken during the 2019 IIIF Conference,"
        '"<p>Picture taken by the <a href=""https://github.com/glenrobson"">'
        'IIIF Technical Coordinator</a></p>",http://creativecommons.org/licenses/by-sa/3.0/\n',
        more=exhibition(
            'languages = ["en"]',
            "required_statement_en = '<span>Glen Robson, IIIF Technical Coordinator. "
            '<a href="https://creativecommons.org/licenses/by-sa/3.0">CC BY-SA 3.0</a> '
            '<img src="https://licensebuttons.net/l/by-sa/3.0/88x31.png"/></span>\'',
        ),
    ),
    Recipe(
        "0008-rights/manifest.json",
        ("rights", "requiredStatement"),
        "record,chapter,title_en\nr,c,Göttingen\n",
        more=exhibition(
            'languages = ["en"]',
            'rights = "http://creativecommons.org/licenses/by-sa/3.0/"',
            # a title is no attribute that viewers keep, so ours has none: see SAID_OTHERWISE
            "required_statement_en = '<span>Glen Robson, IIIF Technical Coordinator. "
            '<a href="https://creativecommons.org/licenses/by-sa/3.0">CC BY-SA 3.0</a> '
            '<a href="https://creativecommons.org/licenses/by-sa/3.0">'
            '<img src="https://licensebuttons.net/l/by-sa/3.0/88x31.png"/></a></span>\'',
        ),
    ),
    Recipe(
        "0009-book-1/manifest.json",
        ("label", "behavior", "items"),
        "record,chapter,title_en,behavior\nr,c,Simple Manifest - Book,paged\n",
        "record,page,file,label_en\nr,1,1.jpg,Blank page\nr,2,2.jpg,Frontispiece\n"
        "r,3,3.jpg,Title page\nr,4,4.jpg,Blank page\nr,5,5.jpg,Bookplate\n",
    ),
    Recipe(
        "0010-book-2-viewing-direction/manifest-rtl.json",
        ("label", "viewingDirection", "items"),
        "record,chapter,title_en,viewing_direction\n"
        "r,c,Book with Right-to-Left Viewing Direction,right-to-left\n",
        _PLAYBILL,
    ),
    Recipe(
        "0010-book-2-viewing-direction/manifest-ttb.json",
        ("label", "viewingDirection", "items"),
        "record,chapter,title_en,viewing_direction\n"
        "r,c,Diary with Top-to-Bottom Viewing Direction,top-to-bottom\n",
        "record,page,file,label_en\nr,1,1.jpg,image 1\nr,2,2.jpg,image 2\nr,3,3.jpg,image 3\n"
        "r,4,4.jpg,image 4\n",
    ),
    Recipe(
        "0011-book-3-behavior/manifest-continuous.json",
        ("label", "behavior", "items"),
        "record,chapter,title_gez,behavior\n"
        'r,c,"Ms. 21 Māzemurā Dāwit, Asmat [መዝሙረ ዳዊት]",continuous\n',
        "record,page,file,label_en\nr,1,1.jpg,Section 1 [Recto]\nr,2,2.jpg,Section 2 [Recto]\n"
        "r,3,3.jpg,Section 3 [Recto]\nr,4,4.jpg,Section 4 [Recto]\n",
        exhibition('languages = ["en", "gez"]'),
    ),
    Recipe(
        "0011-book-3-behavior/manifest-individuals.json",
        ("behavior", "items"),
        "record,chapter,title_en,behavior\nr,c,Receipts of doctor Johannes,individuals\n",
        'record,page,file,label_en\nr,1,1.jpg,inside cover; 1r\nr,2,2.jpg,"2v, 3r"\n'
        'r,3,3.jpg,"3v, 4r"\nr,4,4.jpg,"4v, 5r"\n',
    ),
    Recipe(
        "0024-book-4-toc/manifest.json",
        ("label", "items", "structures"),
        "record,chapter,section,title_en,title_gez\n"
        "r1,c,,,Tabiba Tabiban [ጠቢበ ጠቢባን]\nr2,c,r2-days,Monday,\nr3,c,r2-days,Tuesday,\n",
        "record,page,file,label_en\nr1,1,1.jpg,f. 1r\nr1,2,2.jpg,f. 1v\nr2,1,1.jpg,f. 2r\n"
        "r2,2,2.jpg,f. 2v\nr3,1,1.jpg,f. 3r\nr3,2,2.jpg,f. 3v\n",
        {
            **exhibition('languages = ["en", "gez"]'),
            "chapters.csv": "chapter,title_en\nc,Ethiopic Ms 10\n",
            "sections.csv": "section,chapter,title_gez\nr2-days,c,Arede'et [አርድዕት]\n",
        },
        identifier="c",
    ),
    Recipe(
        "0030-multi-volume/collection.json",
        ("type", "label", "items"),
        "record,chapter,title_ja\nr1,c,巻 1 [Vol. 1]\nr2,c,巻 2 [Vol. 2]\n",
        "record,page,file\nr1,1,1.jpg\nr2,1,1.jpg\n",
        {
            **exhibition('languages = ["ja", "en"]'),
            "chapters.csv": "chapter,title_ja\nc,青楼絵本年中行事 [Seirō ehon nenjū gyōji]\n",
        },
        kind="collection",
        identifier="c",
    ),
    Recipe(
        "0030-multi-volume/manifest_v1.json",
        ("label", "behavior", "viewingDirection", "items"),
        "record,chapter,title_en,behavior,viewing_direction\n"
        "r,c,Seirō ehon nenjū gyōji : kan 1 | 青楼絵本年中行事 : 巻 1,individuals,right-to-left\n",
        "record,page,file,label_en\nr,1,1.jpg,Front cover\nr,2,2.jpg,Page spread 1\n"
        "r,3,3.jpg,Page spread 2\nr,4,4.jpg,Page spread 3\nr,5,5.jpg,Page spread 4\n",
    ),
    Recipe(
        "0031-bound-multivolume/manifest.json",
        ("label", "items", "structures"),
        "record,chapter,title_en,title_de\nr1,c,Front Matter,\n"
        'r2,c,,"Erste Ausgabe. Begreift die Ceremonien der Lutheraner von der Augspurgischen '
        'Confession, der Reformirten, der Holländischen u. a. Kirchen"\n'
        'r3,c,,"Zweyte Ausgabe. Begreift die Ceremonien der Engl. hohen Kirche : Der Quacker, '
        "der Anabaptisten, der Adamiten, der Flagellanten, der Frey-Maurer, der "
        'Rhinsbürger..."\n',
        "record,page,file,label_en\nr1,1,1.jpg,Front cover\nr1,2,2.jpg,Inside front cover\n"
        "r2,1,1.jpg,Vol. 1 title page\nr2,2,2.jpg,Vol. 1 title page (verso)\n"
        "r3,1,1.jpg,Vol. 2 title page\nr3,2,2.jpg,Vol. 2 title page (verso)\n",
        {
            **exhibition('languages = ["de", "en"]'),
            "chapters.csv": 'chapter,title_de\nc,"Gottesdienstliche Ceremonien, Oder H. '
            'Kirchen-Gebräuche Und Religions-Pflichten Der Christen"\n',
        },
        identifier="c",
    ),
    Recipe(
        "0032-collection/collection.json",
        ("type", "label", "items"),
        "record,chapter,title_en\nr1,c,The Gulf Stream\nr2,c,Northeaster\n",
        "record,page,file\nr1,1,1.jpg\nr2,1,1.jpg\n",
        {"chapters.csv": "chapter,title_en\nc,Simple Collection Example\n"},
        kind="collection",
        identifier="c",
    ),
    Recipe(
        "0032-collection/manifest-01.json",
        ("label", "metadata", "items"),
        "record,chapter,title_en,people_en,date\n"
        "r,c,The Gulf Stream,Winslow Homer (1836–1910),1899\n",
    ),
    Recipe(
        "0046-rendering/manifest.json",
        ("label", "rendering", "viewingDirection", "items"),
        "record,chapter,title_en,viewing_direction\n"
        "r,c,Alternative Representations Through Rendering,right-to-left\n",
        _PLAYBILL,
    ),
    Recipe(
        "0047-homepage/manifest.json",
        ("label", "homepage"),
        "record,chapter,title_none,homepage_en\n"
        "r,c,Laocöon,https://www.getty.edu/art/collection/object/103RQQ\n",
        "record,page,file,label\nr,1,1.jpg,Front\nr,2,2.jpg,Back\n",
        exhibition('languages = ["en", "none"]'),
    ),
    Recipe(
        "0053-seeAlso/manifest.json",
        ("label", "seeAlso", "viewingDirection", "items"),
        "record,chapter,title_en,viewing_direction\n"
        "r,c,Linking to Structured Metadata,right-to-left\n",
        _PLAYBILL,
    ),
    Recipe(
        "0068-newspaper/newspaper_title-collection.json",
        ("type", "label", "rights", "requiredStatement", "provider", "items"),
        "record,chapter,title_de,date\nr1,c,Berliner Tageblatt - 1925-02-16,1925-02-16\n"
        "r2,c,Berliner Tageblatt - 1925-03-13,1925-03-13\n",
        "record,page,file\nr1,1,1.jpg\nr2,1,1.jpg\n",
        {
            **exhibition(
                'languages = ["de", "en"]',
                'organisers = ["europeana"]',
                'rights = "http://creativecommons.org/publicdomain/mark/1.0/"',
                "required_statement_en = '''<p><a href='https://www.europeana.eu/portal/record/"
                "9200355/BibliographicResource_3000096302605.html'>Berliner Tageblatt</a> - "
                "Staatsbibliothek zu Berlin - Preußischer Kulturbesitz. Public Domain Mark - "
                "http://creativecommons.org/publicdomain/mark/1.0/</p>'''",
            ),
            "agents.csv": "agent,name_en,logo\neuropeana,Europeana,"
            "https://style.europeana.eu/images/europeana-logo-default.png\n",
            "chapters.csv": "chapter,title_de\nc,Berliner Tageblatt\n",
        },
        kind="collection",
        identifier="c",
    ),
    Recipe(
        "0068-newspaper/newspaper_issue_1-manifest.json",
        ("label", "navDate", "partOf", "thumbnail"),
        "record,chapter,title_de,date\nr,c,Berliner Tageblatt - 1925-02-16,1925-02-16\n",
        "record,page,file\nr,1,1.jpg\nr,2,2.jpg\n",
        exhibition('languages = ["de", "en"]'),
    ),
    Recipe(
        "0117-add-image-thumbnail/manifest.json",
        ("label", "thumbnail", "items"),
        "record,chapter,title_en\nr,c,Playbill Cover with Manifest Thumbnail\n",
        "record,page,file,label_en\nr,1,1.jpg,front cover with color bar\n",
    ),
    Recipe(
        "0118-multivalue/manifest.json",
        ("label", "metadata", "summary", "items"),
        # of our fields, places and people hold several values in each language
        "record,chapter,title_fr,people_en,people_fr,summary_en\n"
        "r,c,Arrangement en gris et noir no 1,"
        "Whistler's Mother; Arrangement in Grey and Black No. 1,"
        "Portrait de la mère de l'artiste; La Mère de Whistler,"
        '"A painting in oil on canvas created by the American-born painter James McNeill '
        'Whistler, in 1871."\n',
        more=exhibition('languages = ["en", "fr"]'),
    ),
    Recipe(
        "0230-navdate/navdate-collection.json",
        ("type", "label", "thumbnail", "items"),
        "record,chapter,title_en,date\n"
        'r1,c,"1986 Chesapeake and Ohio Canal, Washington, D.C., Maryland, West Virginia, '
        'official map and guide",1986\n'
        'r2,c,"1987 Chesapeake and Ohio Canal, Washington, D.C., Maryland, West Virginia, '
        'official map and guide",1987\n',
        "record,page,file\nr1,1,1.jpg\nr2,1,1.jpg\n",
        {"chapters.csv": "chapter,title_en\nc,Chesapeake and Ohio Canal map and guide pamphlets\n"},
        kind="collection",
        identifier="c",
    ),
    Recipe(
        "0230-navdate/navdate_map_1-manifest.json",
        ("label", "navDate", "items"),
        "record,chapter,title_en,date\n"
        'r,c,"1987 Chesapeake and Ohio Canal, Washington, D.C., Maryland, West Virginia, '
        'official map and guide",1987\n',
        "record,page,file,label_en\n"
        'r,1,1.jpg,"1987 Map, recto and verso, with a date of publication"\n',
    ),
    Recipe(
        "0232-image-thumbnail-canvas/manifest-image.json",
        ("label", "items", "thumbnails"),
        'record,chapter,title_en\nr,c,"Gänseliesel-Brunnen, Göttingen"\n',
        "record,page,file,label_en\n"
        "r,1,1.jpg,Photo of the Gänseliesel-Brunnen taken at the 2019 IIIF Conference\n"
        "r,2,2.jpg,Gänseliesel-Brunnen at Night\n",
    ),
    Recipe(
        "0234-provider/manifest.json",
        ("label", "provider", "items"),
        "record,chapter,title_en,holder\nr,c,Playbill Cover,ucla\n",
        "record,page,file,label_en\nr,1,1.jpg,front cover with color bar\n",
        {
            "agents.csv": "agent,name_en,homepage,logo\n"
            "ucla,UCLA Library,https://digital.library.ucla.edu/,"
            "https://iiif.library.ucla.edu/iiif/2/UCLA-Library-Logo-double-line-2/full/max/0/"
            "default.png\n"
        },
    ),
    Recipe(
        "0057-publishing-v2-and-v3/manifest-v3.json",
        ("label", "items"),
        "record,chapter,title_en\nr,c,IIIF Presentation Version 3 Minimum Viable Manifest\n",
    ),
    Recipe(
        "0057-publishing-v2-and-v3/manifest-v2.json",
        ("@type", "label", "sequences"),
        "record,chapter,title_none\nr,c,IIIF Presentation Version 3 Minimum Viable Manifest\n",
        "record,page,file,label\nr,1,1.jpg,p. 1\n",
        exhibition('languages = ["en", "none"]'),
    ),
]

SAID_OTHERWISE = {
    ' title="CC BY-SA 3.0"': "",  # HTML of ours has the attributes only that 4.5 lets viewers keep
    '"jp"': '"ja"',  # jp is no language
}
"""What the recipes write and we do not allow, with what we write instead."""

_TIME = "sound or moving pictures: our scans have no duration"
_NOTES = "annotations beside the pictures: with transcriptions and search, not of this issue"
_MAPS = "navPlace: our places have names, not coordinates"
NOT_OURS = {
    "0000_template": "not a recipe",
    "0002-mvm-audio": _TIME,
    "0003-mvm-video": _TIME,
    "0004-canvas-size": "a Canvas of ours is as large as its scan",
    "0013-placeholderCanvas": _TIME,
    "0014-accompanyingcanvas": _TIME,
    "0015-start": _TIME,
    "0017-transcription-av": _TIME,
    "0019-html-in-annotations": _NOTES,
    "0021-tagging": _NOTES,
    "0022-linking-with-a-hotspot": _NOTES,
    "0025-newspaper-article-index": _NOTES,
    "0026-toc-opera": _TIME,
    "0027-alternative-page-order": "a record has one order of pages",
    "0029-metadata-anywhere": "what we know, we know of records; pages have a label",
    "0033-choice": "a page has one scan",
    "0035-foldouts": "behaviours are those of a record, not of a page",
    "0036-composition-from-multiple-images": "a page has one scan",
    "0040-image-rotation-service": "a scan is turned by its own orientation",
    "0045-css": _NOTES,
    "0064-opera-one-canvas": _TIME,
    "0065-opera-multiple-canvases": _TIME,
    "0074-multiple-language-captions": _TIME,
    "0103-poetry-reading-annotations": _TIME,
    "0135-annotating-point-in-canvas": _NOTES,
    "0139-geolocate-canvas-fragment": _MAPS,
    "0154-geo-extension": _MAPS,
    "0202-start-canvas": "a record begins with its first page",
    "0219-using-caption-file": _TIME,
    "0229-behavior-ranges": _TIME,
    "0240-navPlace-on-canvases": _MAPS,
    "0258-tagging-external-resource": _NOTES,
    "0261-non-rectangular-commenting": _NOTES,
    "0266-full-canvas-annotation": _NOTES,
    "0269-embedded-or-referenced-annotations": _NOTES,
    "0283-missing-image": "a record without scans has an empty Canvas; a row of Pages has a scan",
    "0299-region": "a page shows the whole of its scan",
    "0306-linking-annotations-to-manifests": _NOTES,
    "0309-annotation-collection": _NOTES,
    "0318-navPlace-navDate": _MAPS,
    "0326-annotating-image-layer": _NOTES,
    "0346-multilingual-annotation-body": _NOTES,
    "0377-image-in-annotation": _NOTES,
    "0434-choice-av": _TIME,
    "0464-reuse-manifest": _NOTES,
    "0485-contentstate-canvas-region": "Content State, not Presentation",
    "0489-multimedia-canvas": _TIME,
    "0540-link-for-opening-multiple-canvases": "Content State, not Presentation",
    "0560-resources-on-a-timeline": _TIME,
    "0561-text-on-image": "a page has one scan, and no text painted on it",
    "0599-drag-and-drop": "a link on a page, not Presentation",
}
"""Recipes for which a sheet of ours has no words, with the reason."""
