"""What sources share: rows, ids, labels and parts of files and tables, before any image is decoded."""
