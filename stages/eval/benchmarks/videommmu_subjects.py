"""Video-MMMU's 30 subjects, in the zip that holds their videos, and the disciplines' published names."""

SUBJECTS = {
    "Art": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Engineering": ("Agriculture", "Architecture_and_Engineering", "Computer_Science", "Electronics",
                    "Energy_and_Power", "Materials", "Mechanical_Engineering"),
    "Humanities": ("History", "Literature", "Psychology", "Sociology"),
    "Medicine": ("Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy",
                 "Public_Health"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
}
DISCIPLINES = {
    "Art": "Art and Design", "Business": "Business", "Engineering": "Tech and Engineering",
    "Humanities": "Humanities and Social Science", "Medicine": "Health and Medicine", "Science": "Science",
}
CATEGORIES = {subject: category for category, subjects in SUBJECTS.items() for subject in subjects}


def subject_of(name: str) -> str:
    """ "new_Mechanical_Engineering_907" → "Mechanical_Engineering"; "" for an id of another shape."""
    return "_".join(name.split("_")[1:-1])


def category_of(subject: str) -> str | None:
    """The zip and folder of a subject's videos, None for an unknown subject."""
    return CATEGORIES.get(subject)
