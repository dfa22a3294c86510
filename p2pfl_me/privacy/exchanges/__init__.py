"""One form of the exchange a file; `exchanging` says what each declares."""
