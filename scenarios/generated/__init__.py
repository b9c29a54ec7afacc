"""What ``simworld hunt --generated`` hunts beside drawn programs: drawn clients, and storms."""
