"""MMVU's 27 subjects in its four disciplines, as they are counted by those who report them."""

SUBJECTS = {
    "Science": ("Astronomy", "Biology", "Chemistry", "Electromagnetism", "Geography", "Materials Science", "Mechanics",
                "Modern Physics", "Neurobiology", "Thermodynamics"),
    "Healthcare": ("Basic Medicine", "Clinical Medicine", "Dentistry", "Pharmacy", "Preventive Medicine"),
    "Humanities_and_Social_Science": ("Art", "Economics", "History", "Law", "Literature", "Management"),
    "Engineering": ("Biomedical Engineering", "Civil Engineering", "Computer Science", "Electrical Engineering",
                    "Electronics and Communication", "Mechanical Engineering"),
}
DISCIPLINES = {subject: discipline for discipline, subjects in SUBJECTS.items() for subject in subjects}
