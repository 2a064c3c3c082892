"""What runs came to, as pages, pictures and tables to send to someone.

It reads run directories and writes elsewhere. `report` is the way in: it reads
each path into a `report.Part`, and a page is the sections of its parts.
"""
