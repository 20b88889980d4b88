//! A strict check of the syntax of CSV (RFC 4180).
//!
//! The crate csv never rejects a quote. After a stray quote, it reads the lines that follow as one field, so their
//! users would be lost without an error. This check comes first, and accepts only text that can be read in one way.

/// What the bytes so far belong to.
#[derive(Clone, Copy)]
enum State {
    /// The next byte begins a field.
    FieldStart,
    /// A field without quotes.
    Unquoted,
    /// A field whose opening quote is on this line.
    Quoted { opened: u64 },
    /// After a quote within a quoted field: the closing quote, or the first half of an escaped quote.
    QuoteInQuoted { opened: u64 },
    /// After a carriage return that no quotes enclose.
    CarriageReturn,
}

/// Checks the quotes, the line ends and the NUL bytes of a text.
///
/// # Errors
/// One line that names the line of the text. For a quoted field, it is the line of the opening quote.
pub(super) fn check(text: &str) -> Result<(), String> {
    let (mut state, mut line) = (State::FieldStart, 1);
    for byte in text.bytes() {
        if byte == 0 {
            return Err(format!("line {line}: a NUL byte; the file is UTF-16 or damaged, save it as UTF-8"));
        }
        state = next_state(state, byte, line)?;
        line += u64::from(byte == b'\n');
    }
    match state {
        State::Quoted { opened } => Err(format!("line {opened}: a quote opens a field here, and no quote closes it")),
        State::CarriageReturn => Err(bare_carriage_return(line)),
        _ => Ok(()),
    }
}

fn next_state(state: State, byte: u8, line: u64) -> Result<State, String> {
    Ok(match (state, byte) {
        (State::Quoted { opened }, b'"') => State::QuoteInQuoted { opened },
        (State::Quoted { .. }, _) => state,
        (State::QuoteInQuoted { opened }, b'"') => State::Quoted { opened },
        (State::CarriageReturn, b'\n') => State::FieldStart,
        (State::CarriageReturn, _) => return Err(bare_carriage_return(line)),
        (_, b',' | b'\n') => State::FieldStart,
        (_, b'\r') => State::CarriageReturn,
        (State::QuoteInQuoted { opened }, _) => {
            return Err(format!(
                "line {opened}: a quote opens a field here, and the quote on line {line} that closes it is not \
                 followed by a comma or a line end"
            ));
        }
        (State::FieldStart, b'"') => State::Quoted { opened: line },
        (State::Unquoted, b'"') => {
            return Err(format!(
                "line {line}: a quote within a field; put the whole field in quotes, and double the quotes in it"
            ));
        }
        (State::FieldStart | State::Unquoted, _) => State::Unquoted,
    })
}

fn bare_carriage_return(line: u64) -> String {
    format!("line {line}: a carriage return without a line feed; end each line with LF or CRLF")
}

#[cfg(test)]
mod tests {
    use super::*;
    use csv::ReaderBuilder;
    use proptest::prelude::*;

    /// The records of a text, or None if the text does not have the grammar of RFC 4180. Empty lines are no records.
    fn naive(text: &str) -> Option<Vec<Vec<String>>> {
        let (mut records, mut rest) = (vec![], text);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')) {
                rest = after;
                continue;
            }
            let mut record = vec![];
            loop {
                let (field, after) = naive_field(rest)?;
                record.push(field);
                match after.strip_prefix(',') {
                    Some(after) => rest = after,
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            rest = match rest {
                "" => "",
                _ => rest.strip_prefix("\r\n").or(rest.strip_prefix('\n'))?,
            };
            records.push(record);
        }
        Some(records)
    }

    /// The field at the start of a text, and what follows it.
    fn naive_field(text: &str) -> Option<(String, &str)> {
        let Some(quoted) = text.strip_prefix('"') else {
            let end = text.find([',', '\n', '\r', '"', '\0']).unwrap_or(text.len());
            return Some((text[..end].to_owned(), &text[end..]));
        };
        let (mut field, mut rest) = (String::new(), quoted);
        loop {
            let (before, after) = rest.split_once('"')?;
            if before.contains('\0') {
                return None;
            }
            field.push_str(before);
            match after.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    rest = after;
                }
                None => return Some((field, after)),
            }
        }
    }

    /// The records as the crate reads them.
    fn crate_records(text: &str) -> Vec<Vec<String>> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn accepted_text_has_one_meaning(text in "[a,\"\r\n\0]{0,12}|(a|é|,|\"|\"\"|\n|\r\n){0,24}") {
            let records = naive(&text);
            prop_assert_eq!(check(&text).is_ok(), records.is_some());
            if let Some(records) = records {
                prop_assert_eq!(crate_records(&text), records);
            }
        }
    }

    #[test]
    fn valid_text_is_accepted() {
        for text in ["", "a", "a,b\r\nc,d\r\n", "\"a\"\n\"b\"", "\"\"", "\"a,\r\n\rb\"\"\"\r\n", ",\n\n,\"\",\n"] {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn an_error_names_the_line_of_the_opening_quote() {
        for (text, error) in [
            ("a\nu-1,pro,\"eu\nu-2,free,us\n", "line 2: a quote opens a field here, and no quote closes it"),
            ("a\nu-1,pro,\"eu\nu-2,\"us\"\n", "line 2: a quote opens a field here, and the quote on line 3 that"),
            ("a\nu-1,\"pro\"x,eu\n", "line 2: a quote opens a field here, and the quote on line 2 that closes"),
            ("\"a\" ,b\n", "line 1: a quote opens a field here"),
            ("a\nb, \"c\"\n", "line 2: a quote within a field; put the whole field in quotes"),
            ("a\nb\"\n", "line 2: a quote within a field"),
        ] {
            let found = check(text).unwrap_err();
            assert!(found.starts_with(error), "{text:?}: {found}");
        }
    }

    #[test]
    fn bare_carriage_returns_and_nul_bytes_are_errors() {
        for (text, error) in [
            ("a\nb\rc\n", "line 2: a carriage return without a line feed"),
            ("a\nb\r", "line 2: a carriage return"),
            ("a\r\r\n", "line 1: a carriage return"),
            ("a\n\"b\"\rc", "line 2: a carriage return"),
            ("a\nb\0", "line 2: a NUL byte"),
            ("\"\0\"", "line 1: a NUL byte"),
        ] {
            let found = check(text).unwrap_err();
            assert!(found.starts_with(error), "{text:?}: {found}");
        }
    }
}
