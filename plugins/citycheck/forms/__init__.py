"""The survey's forms, made from the standard: the questionnaire for phones, and spreadsheets for paper and meetings."""
