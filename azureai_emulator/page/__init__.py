"""The page that shows the exchanges in a browser: its files and the JSON it reads."""
