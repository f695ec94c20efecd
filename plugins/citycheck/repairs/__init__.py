"""What libraries compute of repair reports: where they cluster."""
