"""The collections: every fact that the suite states about one of them stands here, once."""

from typing import Any

from utils.common.labels import DERM, DERM_CLINIC, OTHER, PAN, TEST, TRAIN
from utils.sources.readers.entries import SideTable
from utils.sources.readers.folders import PictureFolders
from utils.sources.readers.gallery import UrlGallery
from utils.sources.readers.isic import LESIONS_OF_2019, NAMESPACE, NUMBERS, IsicChallenge
from utils.sources.readers.labelled import LabelledTable
from utils.sources.readers.paired import PairedTable
from utils.sources.readers.voted import VotedPictures
from utils.sources.record import TEST_ONLY, TRAIN_ONLY, TRAIN_OR_VAL, VAL_ONLY
from utils.sources.source import Sign, Source
from utils.sources.web.isic_archive import ArchiveCollection
from utils.sources.web.listed import ListedPictures
from utils.sources.web.online import GalleryPictures, LesionTable
from utils.sources.web.remote import RemoteFile

FITZPATRICK17K = UrlGallery(
    folders=("fitzpatrick17k", "finalfitz17k"),
    table="fitzpatrick17k.csv",
    user_list="fitzpatrick.csv",
    label=PAN,
)

ISIC_2018 = IsicChallenge(
    {
        "ISIC2018_Task3_Training_Input": TRAIN,
        "ISIC2018_Task3_Test_Input": TEST,
        "HAM10000_images_part_1": TRAIN,  # so at Harvard and Kaggle
        "HAM10000_images_part_2": TRAIN,
        "ISIC2018_Task3_Test_Images": TEST,
    }
)
ISIC_2019 = IsicChallenge(
    {"ISIC_2019_Training_Input": TRAIN, "ISIC_2019_Test_Input": TEST},
    lesion_tables=(LESIONS_OF_2019,),
)
SCIN = LabelledTable(
    folders=("scin", "dx-scin-public-data"),
    tables=("scin_cases.csv",),
    pictures={f"image_{number}_path": f"image_{number}_shot_type" for number in (1, 2, 3)},
    labels={"at_distance": PAN, "close_up": DERM_CLINIC},
    groups=("case_id",),
    side_table=SideTable(
        name="scin_labels.csv",
        key="case_id",
        left_out={
            f"dermatologist_gradable_for_skin_condition_{number}": {
                "no_image_quality_insufficient": "a rater found its case of too low quality"
            }
            for number in (1, 2, 3)
        },
    ),
)
SCIN_BUCKET = "https://storage.googleapis.com/dx-scin-public-data"
VIZWIZ = VotedPictures(
    folders=("vizwiz", "VizWiz-QualityIssues"),
    lists={"train.json": TRAIN_OR_VAL, "val.json": TEST_ONLY},
)
VIZWIZ_LISTS = (
    "https://raw.githubusercontent.com/chiutaiyin/VizWiz-QualityIssues/"
    "736265e64805685d8595bc43c01364e8e51efae2/annotations/quality_annotations"
)
HIBA_NAME = "hospital-italiano-de-buenos-aires-skin-lesions-images-2019-2022"
MENDELEY = "https://data.mendeley.com/public-files/datasets/zr7vgbcyr2/files"
PEOPLE = "people, who may be taken for body parts"


def _isic(year: int, name: str, **facts: Any) -> RemoteFile:
    """Return a file of an ISIC challenge with both of the places that it is published at."""
    bases = (
        f"https://isic-challenge-data.s3.amazonaws.com/{year}",
        f"https://isic-archive.s3.amazonaws.com/challenges/{year}",
    )
    mirrors = tuple(f"{base}/{name}" for base in bases)
    stem, _, ending = name.rpartition(".")
    holds = (stem,) if ending == "zip" else ()
    return RemoteFile(f"isic_{year}/{name}", mirrors, holds=holds, **facts)


def _milk10k(name: str, **facts: Any) -> RemoteFile:
    url = f"https://isic-archive.s3.amazonaws.com/challenges/milk10k/{name}"
    holds = (name.removesuffix(".zip"),) if name.endswith(".zip") else ()
    return RemoteFile(f"milk10k/{name}", (url,), holds=holds, **facts)


def _pad_part(number: int, key: str, size: int, sha256: str) -> RemoteFile:
    return RemoteFile(
        f"pad_ufes_20/imgs_part_{number}.zip",
        (f"{MENDELEY}/{key}/file_downloaded",),
        size=size,
        sha256=sha256,
        holds=(f"imgs_part_{number}", f"img_part_{number}"),
    )


LESION_TABLE = LesionTable(
    challenges=(ISIC_2018, ISIC_2019),
    table=_isic(
        2019,
        LESIONS_OF_2019,
        size=1_214_351,
        md5="8ca5fdef200ffd8579f48c823b504f7e",
    ),
)

SOURCES = (
    Source(
        name="isic_2018",
        title="ISIC 2018 Task 3 (HAM10000)",
        place="ISIC2018_Task3_Training_Input/ and ISIC2018_Task3_Test_Input/",
        num_pictures=11_527,
        splits="the challenge's test is test; 15 % of the training lesions become val",
        page="https://challenge.isic-archive.com/data/#2018",
        how="no login; ISIC2018_Task3_Training_Input.zip and ISIC2018_Task3_Test_Input.zip",
        licence="CC BY-NC 4.0",
        citation="Tschandl et al. 2018, doi:10.1038/sdata.2018.161; "
        "Codella et al. 2019, arXiv:1902.03368",
        reader=ISIC_2018,
        fetcher=LESION_TABLE,
        folder="isic_2018",
        bundles=(
            (
                _isic(2018, "ISIC2018_Task3_Training_GroundTruth.zip", roughly=40_000),
                _isic(2018, "ISIC2018_Task3_Training_LesionGroupings.csv", roughly=500_000),
                _isic(2018, "ISIC2018_Task3_Test_GroundTruth.zip", roughly=10_000),
                _isic(2018, "ISIC2018_Task3_Test_Input.zip", roughly=401_000_000),
                _isic(2018, "ISIC2018_Task3_Training_Input.zip", roughly=2_600_000_000),
            ),
        ),
        signs=(
            Sign(r"ISIC_(\d{7})", "ISIC_*", "ISIC2018_Task3_Training_Input/", range(24306, 34321)),
            Sign(r"ISIC_(\d{7})", "ISIC_*", "ISIC2018_Task3_Test_Input/", range(34524, 36065)),
        ),
        tables=("ISIC2018_Task3_*.csv", "ISIC2018_Task3_*.tab", "HAM10000_metadata*"),
        not_read={"hmnist_*.csv": "pictures of a few pixels, written as a table"},
    ),
    Source(
        name="isic_2019",
        title="ISIC 2019 Task 1",
        place="ISIC_2019_Training_Input/ and ISIC_2019_Test_Input/",
        num_pictures=33_569,
        splits="the challenge's test is test; 15 % of the training lesions become val; "
        "contains ISIC 2018, of which each picture is used once",
        page="https://challenge.isic-archive.com/data/#2019",
        how="no login; ISIC_2019_Training_Input.zip and ISIC_2019_Test_Input.zip (should their "
        "folders be swapped, that is noticed); "
        "ISIC_2019_Training_GroundTruth.csv and ISIC_2019_Test_GroundTruth.csv beside them "
        "remove all doubt",
        licence="CC BY-NC 4.0",
        citation="Tschandl et al. 2018, doi:10.1038/sdata.2018.161; "
        "Codella et al. 2017, arXiv:1710.05006; Combalia et al. 2019, arXiv:1908.02288",
        reader=ISIC_2019,
        fetcher=LESION_TABLE,
        folder="isic_2019",
        bundles=(
            (
                _isic(
                    2019,
                    "ISIC_2019_Training_GroundTruth.csv",
                    size=1_291_479,
                    md5="2c02bdcc6e7f36d355f4f86b210595ae",
                ),
                LESION_TABLE.table,
                _isic(2019, "ISIC_2019_Test_GroundTruth.csv", roughly=460_000),
                _isic(
                    2019,
                    "ISIC_2019_Test_Metadata.csv",
                    size=293_638,
                    md5="8a70d80a3ceffbdf4fee46a69e5e67b6",
                ),
                _isic(2019, "ISIC_2019_Test_Input.zip", roughly=3_600_000_000),
                _isic(2019, "ISIC_2019_Training_Input.zip", roughly=9_771_618_190),
            ),
        ),
        tables=("ISIC_2019_*.csv",),
        signs=tuple(
            Sign(
                r"ISIC_(\d{7})(_downsampled)?",
                "ISIC_*",
                "ISIC_2019_Training_Input/ or ISIC_2019_Test_Input/ (if they are of the challenge)",
                numbers,
            )
            for numbers in NUMBERS
        ),
    ),
    Source(
        name="pad_ufes_20",
        title="PAD-UFES-20",
        place="img_part_1/, img_part_2/ and img_part_3/ (or imgs_part_1/ ...)",
        num_pictures=2_298,
        splits="none published; drawn by patient",
        page="https://data.mendeley.com/datasets/zr7vgbcyr2/1",
        how="no login; zr7vgbcyr2-1.zip, which holds imgs_part_1.zip, _2 and _3",
        licence="CC BY 4.0",
        citation="Pacheco et al. 2020, Data in Brief 32:106221, doi:10.17632/zr7vgbcyr2.1",
        commercial=True,
        border="one picture of one lesion, by phone; no label tells how much of the body is in "
        "view",
        reader=PictureFolders(
            folders=tuple(f"{stem}_part_{part}" for stem in ("img", "imgs") for part in (1, 2, 3)),
            label=DERM_CLINIC,
            splits={},
            group=r"(PAT_\d+)_\d+_\d+",
        ),
        tables=("metadata.csv",),
        signs=(Sign(r"PAT_\d+_\d+_\d+", "PAT_*", "img_part_1/"),),
        folder="pad_ufes_20",
        bundles=(
            (
                RemoteFile(
                    "pad_ufes_20/zr7vgbcyr2-1.zip",
                    (
                        "https://prod-dcd-datasets-cache-zipfiles.s3.eu-west-1.amazonaws.com/"
                        "zr7vgbcyr2-1.zip",
                        "https://md-datasets-cache-zipfiles-prod.s3.eu-west-1.amazonaws.com/"
                        "zr7vgbcyr2-1.zip",
                    ),
                    roughly=3_600_000_000,
                ),
            ),
            (
                RemoteFile(
                    "pad_ufes_20/metadata.csv",
                    (f"{MENDELEY}/fa850265-57da-48f0-ba3e-998b3e44b1f6/file_downloaded",),
                    size=316_209,
                    sha256="14d145235cedb022548257acb0d84dcd949e2c916f65d2baa7c38ed5339e9527",
                ),
                _pad_part(
                    1,
                    "1cc2f71f-20a2-412d-b746-a9b9bc20c966",
                    1_245_184_680,
                    "0ab44f60938bf57445e12f518a8878954cc734e6b0aec6d01194e2d26b4b2dca",
                ),
                _pad_part(
                    2,
                    "559a60ed-5504-475d-996c-6a8bc253b5e7",
                    1_126_646_990,
                    "e2d9a3cbd58e823f5ae33163c48643e7d1b54ae3f9e145f01f8e9f16a363a60b",
                ),
                _pad_part(
                    3,
                    "34dcdf8e-e5f1-4b35-aa0b-5135051ff852",
                    1_220_565_093,
                    "ecc4ef10143a43e1d01cb736773148607a78b530417eb76f2c38ad24bf5d0d2c",
                ),
            ),
        ),
    ),
    Source(
        name="hiba",
        title="Hospital Italiano de Buenos Aires",
        place="hospital_buenos_aires/images/ and hospital_buenos_aires/metadata.csv",
        num_pictures=1_616,
        splits="none published; drawn by patient",
        page="https://doi.org/10.34970/587329",
        how="no login; hospital-italiano-de-buenos-aires-skin-lesions-images-2019-2022.zip, or the "
        "ISIC archive's collection 251 with its metadata.csv, put into hospital_buenos_aires/",
        licence="CC BY 4.0",
        citation="Ricci Lara et al. 2023, doi:10.1038/s41597-023-02630-0; doi:10.34970/587329",
        commercial=True,
        border="`clinical: overview` and `clinical: close-up` are both clinical pictures of a "
        "lesion; nearly all are called overview, and some of them come near PAN",
        reader=LabelledTable(
            folders=(
                "hospital_buenos_aires",
                "hospital-italiano-de-buenos-aires-skin-lesions-images-2019-2022",
            ),
            tables=(
                "metadata.csv",
                "metadata.cvs",
                f"{HIBA_NAME}.csv",
            ),
            pictures={"isic_id": "image_type"},
            labels={"clinical": DERM_CLINIC, "dermoscopic": DERM},
            groups=("patient_id", "lesion_id"),
            namespace=NAMESPACE,
        ),
        folder="hospital_buenos_aires",
        bundles=(
            (
                RemoteFile(
                    f"hospital_buenos_aires/{HIBA_NAME}.zip",
                    (
                        "https://isic-archive.s3.amazonaws.com/dois/10.34970-587329/"
                        f"{HIBA_NAME}.zip",
                    ),
                    holds=("hospital_buenos_aires",),
                ),
            ),
        ),
    ),
    Source(
        name="milk10k",
        title="MILK10k",
        place="MILK10k_Training_Input/ and MILK10k_Test_Input/, and beside them "
        "MILK10k_Training_Metadata.csv and MILK10k_Test_Metadata.csv",
        num_pictures=11_438,
        splits="its test set is test; 15 % of the training lesions become val",
        page="https://challenge.isic-archive.com/data/#milk10k",
        how="no login; MILK10k_Training_Input.zip, MILK10k_Test_Input.zip and their two tables of "
        "metadata",
        licence="CC BY-NC 4.0",
        citation="Tschandl et al. 2025, doi:10.1016/j.jid.2025.06.1594; doi:10.34970/648456",
        border="`clinical: close-up`, one of each lesion, beside its dermoscopy",
        reader=LabelledTable(
            folders=("MILK10k_Training_Input", "MILK10k_Test_Input"),
            split_tables={
                "MILK10k_Training_Metadata.csv": TRAIN_OR_VAL,
                "MILK10k_Test_Metadata.csv": TEST_ONLY,
            },
            pictures={"isic_id": "image_type"},
            labels={"dermoscopic": DERM, "clinical: close-up": DERM_CLINIC},
            groups=("lesion_id",),
            namespace=NAMESPACE,
            left_out={"image_manipulation": {"altered": "altered by its publisher"}},
        ),
        tables=("MILK10k_*.csv",),
        folder="milk10k",
        is_starter=True,
        bundles=(
            (
                _milk10k(
                    "MILK10k_Training_Metadata.csv",
                    size=2_408_808,
                    sha256="a63fc674cef677c81309c9df5e3a5268b4bd9a58b781bb1cff84809a5df7f2f8",
                ),
                _milk10k(
                    "MILK10k_Test_Metadata.csv",
                    size=221_020,
                    sha256="71cdeca8ee0cca934d70cd7ace0b093175bce11aecb99f51ec2f262df7c76de1",
                ),
                _milk10k("MILK10k_Test_Input.zip", roughly=29_000_000),
                _milk10k("MILK10k_Training_Input.zip", roughly=314_000_000),
            ),
        ),
    ),
    Source(
        name="scin",
        title="SCIN",
        num_pictures=10_380,
        splits="none published; drawn by case, of which those that share a picture are one",
        page="https://github.com/google-research-datasets/scin",
        how="no login; scin_cases.csv, scin_labels.csv and images/ of the bucket "
        "dx-scin-public-data (gsutil -m cp -r gs://dx-scin-public-data/dataset scin)",
        licence="SCIN Data Use License",
        citation="Ward et al. 2024, doi:10.1001/jamanetworkopen.2024.46615; "
        "doi:10.5281/zenodo.10819503",
        commercial=True,
        border="by the shot type: CLOSE_UP is DERM_CLINIC, AT_DISTANCE is PAN, AT_AN_ANGLE is "
        "left out; it is what the contributor was asked for, and nobody checked it",
        reader=SCIN,
        fetcher=ListedPictures("scin", SCIN, f"{SCIN_BUCKET}/", "scin/images"),
        folder="scin",
        roughly=4_100_000_000,
        roughly_each=2_000_000,
        on_request=True,
        is_starter=True,
        bundles=(
            (
                RemoteFile(
                    "scin/scin_cases.csv",
                    (f"{SCIN_BUCKET}/dataset/scin_cases.csv",),
                    size=1_293_926,
                    sha256="7923ee9ba9775af413ca115c4587dc1bd32259d7936aa97fa80d88dd616ca3c3",
                ),
                RemoteFile(
                    "scin/scin_labels.csv",
                    (f"{SCIN_BUCKET}/dataset/scin_labels.csv",),
                    size=895_734,
                    sha256="616ad03c24c304f5f7ef01b4116e4d3274f1c71c9b19a0e3d5620698b081a9fe",
                ),
            ),
        ),
    ),
    Source(
        name="derm7pt",
        title="Derm7pt",
        num_pictures=2_013,
        splits="published by case: train, valid (our val) and test",
        page="https://derm.cs.sfu.ca",
        how="a form; the login comes by mail; release_v0.zip",
        licence="academic research only, no redistribution (release_v0/README.txt)",
        citation="Kawahara et al. 2019, IEEE JBHI 23(2):538-546, doi:10.1109/JBHI.2018.2824327",
        border="the clinical picture of a case, beside its dermoscopic one; no label tells how "
        "much of the body is in view",
        reader=PairedTable(
            folders=("release_v0",),
            table="meta/meta.csv",
            pictures="images",
            labels={"derm": DERM, "clinic": DERM_CLINIC},
            case="case_num",
            splits={
                "meta/train_indexes.csv": TRAIN_ONLY,
                "meta/valid_indexes.csv": VAL_ONLY,
                "meta/test_indexes.csv": TEST_ONLY,
            },
        ),
        signs=(Sign(r"([a-z]{3})/\1\d{3}\w*", "like NEL025", "release_v0/images/"),),
    ),
    Source(
        name="hospital_varese",
        title="Hospital Varese",
        place="hospital_varese/train/ and hospital_varese/test/",
        num_pictures=None,
        splits="its test is test; 15 % of its train pictures become val",
        page="no longer public",
        how="optional: only for those who already have it",
        licence="none published",
        citation="none published",
        border="all of it counts as PAN; no label tells what a picture shows",
        reader=PictureFolders(
            folders=("hospital_varese",),
            label=PAN,
            splits={"train": TRAIN_OR_VAL, "test": TEST_ONLY},
        ),
    ),
    Source(
        name="isic_217",
        title="Longitudinal overview images of posterior trunks (ISIC collection 217)",
        place="isic_217/ (the pictures and their metadata.csv)",
        num_pictures=36,
        splits="none published; all of it is test, for it is small and its labels are sure",
        page="https://doi.org/10.34970/630662",
        how="no login; the ISIC archive's collection 217 with its metadata.csv, put into isic_217/",
        licence="CC BY 4.0",
        citation="doi:10.34970/630662",
        commercial=True,
        border="overviews of whole backs, by their label",
        reader=LabelledTable(
            folders=("isic_217",),
            tables=("metadata.csv",),
            pictures={"isic_id": "image_type"},
            labels={"clinical: overview": PAN, "tbp tile: overview": PAN, "overview": PAN},
            groups=("patient_id",),
            namespace=NAMESPACE,
            splits=TEST_ONLY,
        ),
        fetcher=ArchiveCollection(217, "isic_217"),
        folder="isic_217",
        roughly=100_000_000,
        roughly_each=3_000_000,
        on_request=True,
    ),
    Source(
        name="fitzpatrick17k",
        title="Fitzpatrick17k",
        place="fitzpatrick17k/ (pictures named <md5hash>.jpg) and, for a choice of your own, "
        "fitzpatrick.csv",
        num_pictures=16_577,
        splits="none published; drawn by numbered series of files, or of pages under one "
        "diagnosis, else by picture; in a fitzpatrick.csv of your own `test_url` is test",
        page="https://github.com/mattgroh/fitzpatrick17k",
        how="downloaded by create_dataset.py as far as its hosts still answer (about 3,900 "
        "pictures: www.dermaamin.com is gone); the form on its page leads to all of them, in an "
        "archive with a folder finalfitz17k",
        licence="table CC BY-NC-SA 3.0; the pictures belong to DermaAmin and Atlas Dermatologico",
        citation="Groh et al. 2021, arXiv:2104.09957; Groh et al. 2022, arXiv:2207.02942",
        border="all of it counts as PAN, though many of its pictures are close-ups: no label "
        "tells them from overviews",
        reader=FITZPATRICK17K,
        fetcher=GalleryPictures(
            FITZPATRICK17K,
            RemoteFile(
                "fitzpatrick17k/fitzpatrick17k.csv",
                (
                    "https://raw.githubusercontent.com/mattgroh/fitzpatrick17k/main/fitzpatrick17k.csv",
                ),
                size=4_104_341,
                md5="75556ecbd0bd6227050112565c24b991",
            ),
        ),
        folder="fitzpatrick17k",
        roughly=340_000_000,
        roughly_each=87_000,
        tables=("fitzpatrick17k*.csv",),
        signs=(Sign(r"[0-9a-f]{32}", "<md5hash>", "fitzpatrick17k/"),),
    ),
    Source(
        name="vizwiz",
        title="VizWiz-QualityIssues",
        place="vizwiz/train/, vizwiz/val/, vizwiz/train.json and vizwiz/val.json",
        num_pictures=31_181,
        splits="its val list is test; 15 % of the good pictures of its train list become val; poor "
        "ones of its train list are taken with --real-low-quality alone",
        page="https://vizwiz.org/tasks-and-datasets/image-quality-issues/",
        how="no login; train.zip and val.zip of the pictures, train.json and val.json of the "
        "quality annotations",
        licence="CC BY 4.0",
        citation="Chiu, Zhao and Gurari 2020, CVPR; Gurari et al. 2018, CVPR",
        commercial=True,
        reader=VIZWIZ,
        fetcher=ListedPictures(
            "vizwiz",
            VIZWIZ,
            "https://vizwiz.cs.colorado.edu/VizWiz_visualization_img/",
            "vizwiz/images",
        ),
        folder="vizwiz",
        roughly=2_700_000_000,
        roughly_each=1_400_000,
        on_request=True,
        is_starter=True,
        bundles=(
            (
                RemoteFile(
                    "vizwiz/train.json",
                    (f"{VIZWIZ_LISTS}/train.json",),
                    size=3_561_512,
                    sha256="921e3c7fa91af8811f88111d771c40950d8f33593df34519059aa0a4e75eb70f",
                ),
                RemoteFile(
                    "vizwiz/val.json",
                    (f"{VIZWIZ_LISTS}/val.json",),
                    size=1_162_500,
                    sha256="19eb67fd0ac34595261abc6f027333fc94561e16518ca85e276c983ec63451bc",
                ),
            ),
        ),
        signs=(Sign(r"VizWiz_(train|val)_\d{8}", "VizWiz_*", "vizwiz/"),),
    ),
    Source(
        name="caltech256",
        title="Caltech-256",
        num_pictures=30_607,
        splits="none published; drawn by picture",
        page="https://data.caltech.edu/records/nyy15-4j048",
        how="no login; 256_ObjectCategories.tar",
        licence="CC BY 4.0",
        citation="Griffin, Holub and Perona 2022, doi:10.22002/D1.20087",
        commercial=True,
        reader=PictureFolders(
            folders=("256_ObjectCategories",),
            label=OTHER,
            splits={},
            left_out={"159.people": PEOPLE, "253.faces-easy-101": PEOPLE},
        ),
        folder="caltech256",
        is_starter=True,
        bundles=(
            (
                RemoteFile(
                    "caltech256/256_ObjectCategories.tar",
                    (
                        "https://data.caltech.edu/records/nyy15-4j048/files/"
                        "256_ObjectCategories.tar",
                    ),
                    roughly=1_200_000_000,
                    md5="67b4f42ca05d46448c6bb8ecd2220f6d",
                    holds=("256_ObjectCategories",),
                ),
            ),
        ),
    ),
    Source(
        name="imagenet_mini",
        title="ImageNet 1000 (mini)",
        place="imagenet-mini/train/ and imagenet-mini/val/",
        num_pictures=38_668,
        splits="its val is test; 15 % of its train pictures become val",
        page="https://www.kaggle.com/datasets/ifigotin/imagenetmini-1000",
        how="a Kaggle login; archive.zip",
        licence="ImageNet terms: non-commercial research and education",
        citation="Russakovsky et al. 2015, IJCV 115:211-252, arXiv:1409.0575",
        reader=PictureFolders(
            folders=("imagenet-mini",),
            label=OTHER,
            splits={"train": TRAIN_OR_VAL, "val": TEST_ONLY},
        ),
        signs=(
            Sign(r"n\d{8}_\d+", "n*_*", "imagenet-mini/train/"),
            Sign(r"ILSVRC2012_val_\d{8}", "ILSVRC2012_val_*", "imagenet-mini/val/"),
        ),
    ),
)

NAMES = tuple(source.name for source in SOURCES)


FOLDERS = {folder.casefold(): source for source in SOURCES for folder in source.reader.folders}
"""The collections by the names of folders in which they are looked for, in lower case."""


def owner_of(path: str) -> Source | None:
    """Return the collection in whose folder a file lies, of several the innermost."""
    parts = path.casefold().split("/")[:-1]
    return next((FOLDERS[part] for part in reversed(parts) if part in FOLDERS), None)


def sources_for(label: str) -> list[Source]:
    """Return the collections that fill a class."""
    return [source for source in SOURCES if label in source.labels]
