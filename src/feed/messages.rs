//! Messages: what each rule of the catalogue can say, once, with `{…}` where a place, a count or a code stands.
//!
//! Owns the texts that `docs/rules.md` lists, and the check that a finding says nothing else: a message that is not here
//! could hold anything, a person's value too. In builds with debug assertions (all tests and the fuzzers) a finding that
//! does not fit its rule's messages stops the program.

use super::{Finding, Rule};

impl Rule {
    /// What the rule can say of a delivery; `{…}` stands for a place, a count or a code of the dataset, never for a value of a
    /// column about a person.
    #[must_use]
    pub fn messages(self) -> &'static [&'static str] {
        match self {
            Self::Trn01 => &["File not complete after {seconds} s: {part}, which must come with it, did not."],
            Self::Trn02 => &["The file is for {organisation} but arrived on {provider}'s account."],
            Self::Trn03 => &[
                "The file has {size} bytes; at most {limit} are taken.",
                "The files have {rows} rows; at most {limit} are taken.",
                "The file has more than {limit} rows.",
                "Line {line} has {fields} fields; at most {limit} are taken.",
                "Line {line} is longer than {limit} bytes.",
                "The file is not a zip archive, or is damaged or cut short.",
                "The archive has {members} members; at most {limit} are taken.",
                "The archive holds two members of the same name.",
                "The archive lacks {member}.",
                "Member {number} of the archive is damaged.",
                "Member {number} of the archive is in a folder, is a link, or has an unsafe name.",
                "Member {number} of the archive is encrypted.",
                "Member {number} of the archive is packed by a method that is not supported: deflate is, and none at all.",
                "{count} bytes of the archive are in none of its members: it was damaged or appended to, or two archives were joined. Send it as it was made.",
                "The archive unpacks to {size} bytes; at most {limit} are taken.",
                "The archive unpacks to more than {limit} bytes, whatever it says.",
                "{member} in the archive is damaged.",
                "The file is not gzip, which was agreed for it.",
                "The gzip file is damaged or cut short.",
                "The gzip file unpacks to more than {limit} bytes, the most that is taken.",
                "The gzip file is followed by something else: it was damaged or appended to.",
                "The gzip file has more than {limit} parts.",
            ],
            Self::Trn04 => &[
                "Checksum differs: the file was cut short or damaged on the way, or replaced after the checksum was made.",
                "Checksum differs: it was made for a file of another name than the one sent.",
                "The checksum file holds no SHA-256: it must say 64 hexadecimal digits, two spaces and the file's name.",
                "The {file} is empty.",
                "The {file} is longer than {limit} bytes: it is not a {file}.",
                "The {file} is not text.",
                "The control file cannot be used: {why}.",
                "Our stored copy no longer matches what you sent: this is our fault. Please send the file again.",
            ],
            Self::Trn05 => &[
                "Duplicate, ignored: the same content was accepted as {delivery}.",
                "The same content was accepted as {delivery}: sent to inbox/, it would be ignored as a repetition.",
                "The same file is already waiting to be judged, as delivery {delivery}.",
            ],
            Self::Trn06 => &[
                "Sequence jumped from {last} to {number}: {missing} in between not accepted.",
                "Old sequence: the file has number {number}, and number {past} was accepted before it.",
                "The running number is {number} in {place} and {other} in {elsewhere}; the one in {place} counts.",
                "In {place} there is no running number from 1 to 9,999,999; the one in {elsewhere}, {number}, counts.",
                "In {place} there is no running number from 1 to 9,999,999: whether a file is missing or old cannot be told.",
            ],
            Self::Trn07 => &["File name reused: other content was accepted under this name for {slot}, as {delivery}."],
            Self::Trn08 => &["File name {name} not recognised. Expected: {patterns}."],
            Self::Trn09 => &[
                "Set incomplete: missing {parts}.",
                "Set incomplete: these files belong to different sets.",
                "A newer file of the same part came before the set was complete; the newer one is used.",
            ],
            Self::Trn10 => &[
                "The signature was made with a key that is not agreed for this feed.",
                "The signature was made for another purpose: the namespace (ssh-keygen -Y sign -n) is not the agreed one.",
                "The signature does not fit the file: it was changed, cut short or replaced after it was signed, or another file was signed.",
                "The signature is by the key of {owner}, which is not taken from {day} on.",
                "The signature file is empty.",
                "The signature file is too long to be a signature.",
                "The signature file holds no OpenSSH signature: it must be what ssh-keygen -Y sign writes.",
                "The signature file is damaged or cut short.",
                "The signature uses SHA-1, which is broken: make it with a present ssh-keygen.",
            ],
            Self::Str01 => &[
                "The file is empty: it has no bytes.",
                "The file has neither column names nor rows.",
                "The file has no bed rows.",
                "There are no bed rows to use.",
            ],
            Self::Str02 => &[
                "Not text: the file is {kind}, where a text extract was agreed.",
                "Not text: the file starts as UTF-16 but is damaged or cut short.",
                "Not text as agreed: the file looks like UTF-16 without the mark at its start. Export it as UTF-8, or with the mark.",
                "Not text: the file holds NUL bytes. It may be a binary file, or was damaged on the way.",
                "Not text: the file is full of control characters, as a binary file is.",
                "Read as UTF-16, which was not agreed.",
                "Read as Windows-1252: the file is not valid UTF-8, which was agreed (see line {line}).",
                "Read as {encoding}, where {agreed} was agreed.",
            ],
            Self::Str03 => &[
                "Column {column} is missing.",
                "Column {column} is there {times} times.",
                "Line {line} should name the columns; it has {matched} of {columns} agreed names. Agreed are: {names}.",
                "The first line must start with {text}.",
                "The fields are separated by {separator}; {agreed} were agreed.",
                "The column names stand on line {line}; line {agreed} was agreed (skip_lines).",
            ],
            Self::Str04 => &[
                "Column {column} was not agreed; it was dropped.",
                "Column {column} was not agreed, and other columns than the agreed ones reject this file.",
                "The archive's member {member} was not agreed; it was not read.",
                "The archive has comments ({count}); they were not read.",
                "Line {line} of the control file has a key that is not known; it was not used. Known are: {keys}.",
            ],
            Self::Str05 => &[
                "Line {line}: {fields} fields, expected {agreed}.",
                "Line {line}: text after a closing quote; quotes inside a text must be doubled.",
                "A quote opened on line {line} is not closed within {limit} lines. Nothing after it could be read.",
                "Line {line}: a row after the last line (line {last}). Another file was appended to this one.",
                "Line {line}: it names the columns, which was not agreed for this file.",
                "Line {line}: the first line is repeated among the rows.",
                "Line {line}: the first line is repeated among the rows. The file was appended to itself, or two files were joined: send each extract as a file of its own.",
            ],
            Self::Str06 => &[
                "The control file says {stated} rows, the data has {rows}.",
                "The file states {stated} rows but has {rows}.",
                "The file states its number of rows twice, and differently.",
                "{where} does not state a number of rows.",
                "The total row is missing: the file may be cut short.",
                "{count} of the rows are in no total row's sum: the file may be cut short.",
                "The last line, which starts with {text}, is missing: the file may be cut short.",
                "{manifest} cannot be used: {why}.",
                "{manifest} says {stated} rows, {member} has {rows}.",
                "{manifest} does not list {member}.",
                "{manifest} lists members that are not in the archive ({count}).",
            ],
            Self::Str07 => &[
                "{where} says {total} is {stated}, the sum of the rows is {sum}.",
                "The total row states {stated} in {column}; the rows add up to {sum}.",
                "The total row on line {line} states {stated} in {column}; no rows beside it add up to that.",
                "The total row on line {line} states no sum in {column} that can be read.",
                "The last line states no sum at position {place}.",
            ],
            Self::Str08 => &[
                "{lines} skipped.",
                "rows of {table} that only add to other rows: {count}",
                "copies of rows with the same {column}, equal in every field and left out: {count}",
                "rows left out, {reason}: {count}",
                "rows of {table} that fit no row here and are not used: {count}",
            ],
            Self::Str09 => &[
                "{where} states a kind that is none of FULL, RESEND and TEST.",
                "{version} that {where} states is not supported: {supported} is.",
                "The delivery states its kind twice, and differently.",
                "Line {line} of the control file says TEST, but not as kind=TEST: what it is meant for is not known.",
            ],
            Self::Str10 => &[
                "The last line (line {line}) has {fields} of {agreed} fields and no line end: the file was cut short.",
                "The last line (line {line}) has no line end, which this file always has: the file was cut short.",
                "The last line (line {line}) has no line end: the file may be cut short.",
                "The last line of the control file has no line end: the control file may be cut short.",
            ],
            Self::Tim01 => &[
                "The snapshot time is missing.",
                "Line {line}: the snapshot time in {column} is missing.",
                "{where} cannot be read in the agreed format.",
                "{column} holds many different times; a file is of one moment.",
                "The snapshot time is mixed: {where} and {elsewhere} differ. A file is of one moment.",
                "The snapshot time is {length} from {where}; at most {limit} min are allowed.",
                "The file name does not say when the figures were true.",
                "The snapshot_at of the control file cannot be read.",
            ],
            Self::Tim02 => &["The snapshot is {length} in the future. Is the source's clock, or its time zone, wrong?"],
            Self::Tim03 => &["Late by {length}.", "Held: the snapshot is {length} old. A person must release it."],
            Self::Tim04 => &[
                "This slot already has version {version}.",
                "This slot's version {version} stays in force: its running number, or else its snapshot time, is later.",
                "Back-filled into history: newer figures are current.",
            ],
            Self::Tim05 => &[
                "{where} does not exist in Europe/London: the clocks skip that hour in March.",
                "{column} is a time that the clocks skip in March",
            ],
            Self::Tim06 => &[
                "The repeated hour was resolved as {clock} by {rule}.",
                "times in {column} in the hour that comes twice in October, read as {clock}: {count}",
            ],
            Self::Tim07 => &[
                "{column} is after the snapshot: a wait cannot start in the future.",
                "{column} is more than {limit} before the snapshot: check the date.",
                "{column} is more than {limit} before the snapshot: does this patient still wait?",
            ],
            Self::Tim08 => &[
                "{rows} rows are older than {limit}; the first is here.",
                "{rows} rows say that they were updated after the snapshot: a date or a clock is wrong; the first is here.",
                "{rows} rows are older than {limit}, {count} of them older than {second}: these cannot be relied on; the first is here.",
            ],
            Self::Tim09 => &[
                "The file says that it was made {seconds} s after it arrived: the source's clock is ahead, or its time zone is wrong.",
                "The file says that it was made {seconds} s before it arrived: the source's clock is behind, or the file waited to be sent.",
                "produced_at cannot be read: write it as 2018-12-03T10:15:00Z, or in local time without the Z.",
            ],
            Self::Ref01 => &[
                "The sharing agreement starts on {day}; the file is of {snapshot}.",
                "The sharing agreement ended on {day}; the file is of {snapshot}.",
            ],
            Self::Ref02 => &["site {site} is not registered for this provider"],
            Self::Ref03 => &[
                "beds on ward {ward} at site {site}, which is not registered: {beds}",
                "{wards} wards are not registered; at most {limit} may be new in one file.",
                "{beds} of {all} beds are on wards that are not registered, above {limit} %.",
            ],
            Self::Ref04 => &[
                "{code} is not an agreed code for {field}",
                "{code} is not an agreed code",
                "{code} is not an agreed code for {field}; was {agreed} meant?",
                "{code} is not an agreed code; was {agreed} meant?",
                "{column} is blank: a code is needed",
                "the combination {codes} is not agreed",
                "{column} cannot be read as a time in the agreed format",
                "{column} is not of the form {pattern}, so its pieces cannot be told",
            ],
            Self::Ref05 => &[
                "persons with nothing in {column} that a code covers, counted as not known: {count}",
                "{column} is blank: counted as not known",
                "{column} cannot be read as agreed: counted as not known",
                "persons counted as not known because this feed carries {what}",
                "{count} of {persons} persons have a gender or age that is not coded, above {limit} %.",
            ],
            Self::Ref06 => &["Ward {ward} at site {site}: {field} differs from the register, which is kept."],
            Self::Ref07 => &["values in {column} that are on no national list, left out: {count}, the first here"],
            Self::Ref08 => &["No mapping is in force for {day}."],
            Self::Row01 => &[
                "{column} is blank: {field} is needed",
                "{column} is blank: write 0 where there are none",
                "{column} is blank: it says to which row this one belongs",
                "{column} is blank below a row that could not be read: what it repeats is not known",
            ],
            Self::Row02 => &[
                "{count} is not a whole number",
                "{count} is not a whole number from 1 to 99,999",
                "{column} is more than 99,999",
                "{column} is less than its parts together ({columns})",
                "{column} is more than its parts together ({columns})",
                "{column} is 0: a row counts at least 1",
                "one bed cannot count {count} times: a row with a bed has a count of 1",
            ],
            Self::Row03 => &["{field} needed for {line_type}."],
            Self::Row04 => {
                &["{field} not allowed for {line_type}.", "demand_ref not allowed for a bed: only requests for one have a reference"]
            }
            Self::Row05 => &["Status conflict: {line_type} with bed status {status}."],
            Self::Row06 => &[
                "Check coding: a bed on ward {ward} is isolated and not a side room.",
                "Check coding: care level 2 or 3 on ward {ward}, which is no critical care ward.",
            ],
            Self::Row07 => &["{column} looks damaged: {damage}", "ward {ward} cannot be told: {damage}"],
            Self::Row08 => &[
                "{column} is longer than {limit} characters",
                "{column} has a control character",
                "{column} starts with =, +, - or @, which a spreadsheet would take for a formula",
                "{column} has ten digits, like an NHS number",
                "the site {problem}, and is not registered",
                "the ward {problem}, and is not registered",
            ],
            Self::Row99 => &[
                "{rejected} of {rows} rows failed, above {limit} %: the file is not safe to use.",
                "{count} rows of ward {ward} failed: the file is not safe to use.",
                "{rejected} of {rows} rows about {kind} failed: the file is not safe to use.",
                "{rows} rows failed that may be about {kind}, and no other row is: the file is not safe to use.",
                "{rows} rows failed that settle what other rows are: the file is not safe to use.",
                "Ward {ward} would lose all its beds to rejected rows: the file is not safe to use.",
            ],
            Self::Xro01 => &["Bed on ward {ward} is listed {times} times, on lines {lines}."],
            Self::Xro02 => &[
                "Duplicate line: {rows} rows say the same thing of ward {ward}.",
                "rows of {table} that repeat the key of another row, which is used: {count}",
                "rows of {table} with this row's {column} contradict each other",
            ],
            Self::Xro03 => &[
                "Occupied exceeds open on ward {ward}, by {beds}: counted as patients beyond its open beds",
                "Occupied exceeds open: {occupied} beds occupied of {open} open, in all wards together.",
            ],
            Self::Xro04 => &[
                "Ward {ward} at site {site} is missing from the snapshot: {beds} beds are registered.",
                "Ward {ward} at site {site} is not in the snapshot, as the register allows: {beds} beds are registered.",
            ],
            Self::Xro05 => &["Ward {ward} at site {site}: {beds} beds, register {registered}."],
            Self::Xro06 => &["Mixed-sex placement or coding: {count} patients in beds for the other sex."],
            Self::Xro07 => &["{count} persons outside the age range of their ward."],
            Self::Xro08 => &["Demand counted once: the reference is that of the request on line {line}"],
            Self::Pla01 => &["Open beds went from {before} to {open} since {slot}."],
            Self::Pla02 => &["Occupied beds went from {before} to {occupied} since {slot}."],
            Self::Pla03 => &["Unchanged for {count} snapshots: every line is as it was."],
            Self::Pla04 => &[
                "Demand unusual: nobody has waited for a bed for {hours} hours.",
                "Demand unusual: {demand} patients wait; the most at this hour in 28 days was {most}.",
            ],
            Self::Pla05 => &["No {what} beds reported, though {beds} beds are registered."],
            Self::Pla06 => &["Coding quality fell: the {what} of {share} % of persons is not known; usually of {usual} %."],
            Self::Igv01 => &["Personal data column present: {column}. The file is sealed."],
            Self::Igv02 => &[
                "{count} values in {column} look like NHS numbers. The file is sealed.",
                "{where} holds a number that looks like an NHS number. The file is sealed.",
            ],
            Self::Igv03 => &["{count} values in {column} look like dates of birth. The file is sealed."],
            Self::Igv04 => &["Ward {ward}: its {what} tells of {matter}; it needs an alias."],
            Self::Igv05 => &["{count} values in {column} look like NHS numbers, the first here. The file is sealed."],
        }
    }
}

impl Finding {
    /// Whether it says one of its rule's messages.
    #[must_use]
    pub fn is_of_the_catalogue(&self) -> bool {
        self.rule.messages().iter().any(|template| matches(template, &self.message))
    }
}

/// Whether a text is a message, each `{…}` standing for any text.
fn matches(template: &str, text: &str) -> bool {
    let mut fixed = fixed_parts(template);
    let Some(first) = fixed.next() else { return template == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = fixed.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The texts between placeholders: one more than there are placeholders.
fn fixed_parts(template: &str) -> impl Iterator<Item = &str> {
    let mut left = Some(template);
    std::iter::from_fn(move || {
        let text = left?;
        match text.split_once('{') {
            None => {
                left = None;
                Some(text)
            }
            Some((before, after)) => {
                left = Some(after.split_once('}').map_or("", |(_, after)| after));
                Some(before)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_where_its_fixed_parts_stand_in_order() {
        let rows = [
            ("There are none.", "There are none.", true),
            ("There are none.", "There are none", false),
            ("Line {line}: {n} fields, expected {m}.", "Line 7: 3 fields, expected 4.", true),
            ("Line {line}: {n} fields, expected {m}.", "Line 7: 3 fields, expected 4", false),
            ("Line {line}: {n} fields, expected {m}.", "line 7: 3 fields, expected 4.", false),
            ("{column} is blank", "AGE is blank", true),
            ("{column} is blank", "AGE is blank: 83", false),
            ("{a} of {b}", "a of", false),
            ("ends with {what}", "ends with anything at all", true),
        ];
        for (template, text, expected) in rows {
            assert_eq!(matches(template, text), expected, "{template} {text}");
        }
    }

    #[test]
    fn every_rule_has_something_to_say_and_says_nothing_twice() {
        for rule in Rule::ALL {
            let messages = rule.messages();
            assert!(!messages.is_empty(), "{rule}");
            for message in messages {
                assert_eq!(messages.iter().filter(|other| *other == message).count(), 1, "{rule}: {message}");
                assert_eq!(message.matches('{').count(), message.matches('}').count(), "{rule}: {message}");
            }
        }
    }
}
