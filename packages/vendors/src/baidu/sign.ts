import { createHash } from 'node:crypto';

export type Params = Readonly<Record<string, string>>;

/**
 * Form encoding as Java's URLEncoder does it, with `*` escaped too: `A-Z a-z 0-9 - _ .` stay, a space is `+`,
 * every other byte of the UTF-8 text is `%XX` in upper case.
 * @throws URIError for a lone surrogate; `checkMessage` refuses such text before
 * @see    push.baidu.com, "sdk_developer", on the signature
 */
export function formEncode(text: string): string {
  // encodeURIComponent leaves six characters that Java escapes, and knows no `+`.
  return encodeURIComponent(text).replace(/%20|[!'()*~]/g, (part) =>
    part === '%20' ? '+' : `%${part.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * The `sign` of a call, for REST 3.0 and the older 2.0 alike.
 * @param method     GET or POST
 * @param url        scheme, host and path as the vendor sees them, without the query
 * @param params     all parameters of query and form, values raw; a `sign` among them is passed over
 * @param secretKey  of the app
 * @returns          32 lower-case hex digits: MD5 over the text encoded as a whole
 * @see              push.baidu.com, "sdk_developer"; the vector `official-echo` is the page's own example
 */
export function signCall(method: 'GET' | 'POST', url: string, params: Params, secretKey: string): string {
  let text = method + url;
  // Names are ASCII, where the order of UTF-16 units is that of bytes: msg < msg_expires < msg_type.
  for (const name of Object.keys(params).sort()) {
    if (name !== 'sign') text += `${name}=${params[name]}`;
  }
  return digest(text + secretKey);
}

/**
 * The `sign` of a call to SPP, whose parameters are a JSON body and not a form.
 * @param body       as it will stand on the wire, to the byte; empty for none
 * @param timestamp  unix seconds, as in the query
 * @param keys       appkey and masterkey
 * @returns          32 lower-case hex digits
 * @see              cloud.baidu.com/doc/SPP/s/ijwvxjb55; the vector `official-broadcast` is the page's own example
 */
export function signSpp(
  method: 'GET' | 'POST',
  url: string,
  body: string,
  timestamp: string,
  keys: { name: string; secret: string },
): string {
  return digest(method + url + body + keys.name + timestamp + keys.secret);
}

/** All generations encode the whole text once, and then hash it. */
function digest(text: string): string {
  return createHash('md5').update(formEncode(text)).digest('hex');
}

/** Body of a form call: `name=value` joined by `&`, in the order given, encoded like the signed text. */
export function formBody(params: Params): string {
  return Object.entries(params)
    .map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`)
    .join('&');
}
