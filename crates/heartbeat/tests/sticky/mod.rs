//! A decoder as httpx-sse 0.4.3, openai 3.54.0 and anthropic 2.12.0 for Python have it.
//!
//! A blank line is an event as soon as there is anything to tell, and the last id, which is never forgotten,
//! is something to tell.

/// Name, data and id of each event.
pub(crate) fn read(stream: &[u8]) -> Vec<(String, String, String)> {
    let text = String::from_utf8_lossy(stream)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut lines: Vec<_> = text.split('\n').collect();
    lines.pop();

    let mut events = Vec::new();
    let (mut name, mut data, mut id) = (String::new(), Vec::new(), String::new());
    let mut retry = false;
    for line in lines {
        if line.is_empty() {
            if !name.is_empty() || !data.is_empty() || !id.is_empty() || retry {
                let data = std::mem::take(&mut data).join("\n");
                events.push((std::mem::take(&mut name), data, id.clone()));
                retry = false;
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "data" => data.push(value.to_owned()),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" => retry |= value.parse::<u64>().is_ok(),
            _ => {}
        }
    }
    events
}
