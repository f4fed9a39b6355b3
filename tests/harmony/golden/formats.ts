namespace functions {

type use_formats = (_: {
at: string, // format: date-time
day: string, // format: date
time: string, // format: time
lasting: string, // format: duration
id: string, // format: uuid
url: string, // format: uri, minLength: 1, maxLength: 2083
path: string, // format: path
address: string, // format: ipv4
amount: number | string,
payload: string, // format: binary
}) => any;

} // namespace functions
