"""Codes of how documents are had and read, with causes and remedies."""

from callrouter.ladders.codes import APP, DOCUMENT, PLATFORM, SETTINGS, Codes

DOCUMENTS: Codes = {
    11100: (
        SETTINGS,
        "The URL is not one that can be called.",
        "Write it as https://host/path, with a host that others can reach.",
    ),
    11200: (
        APP,
        "Your server answered with a status outside 200 to 299, or connected and did not finish its answer in time.",
        "Open the request to see what it answered; look into your app's own log at that moment.",
    ),
    11201: (
        APP,
        "No connection to your server came about within the connect timeout.",
        "See that it runs, that its port is right, and that no firewall swallows the connection.",
    ),
    11202: (
        APP,
        "Your server's machine refused the connection: nothing listens on that port.",
        "Start your app, or correct the port in the URL.",
    ),
    11203: (
        APP,
        "The answer was not complete within the total time for one document (15 seconds unless the URL says less).",
        "Answer at once and do slow work in the background.",
    ),
    11205: (
        SETTINGS,
        "The address may not be called (it is private, local or reserved), or no connection to it could be made.",
        "For an app on this machine or network set CALLROUTER_OUTBOUND_ALLOW to its addresses, such as 127.0.0.0/8.",
    ),
    11206: (
        APP,
        "What came back is no HTTP, was cut short, or came in a coding that was not asked for.",
        "See that the URL's scheme and port belong together and that no proxy cuts answers.",
    ),
    11210: (SETTINGS, "The host name of the URL has no address.", "Correct the name, or its DNS record."),
    11215: (
        APP,
        "More than ten redirects, or documents that redirect to each other without end.",
        "Give the final URL, or break the circle of <Redirect>s.",
    ),
    11220: (APP, "The TLS handshake failed.", "Serve TLS 1.2 or later with a complete certificate chain."),
    11235: (
        APP,
        "The certificate is for another host name.",
        "Use the name that stands in the certificate, or get one for this name.",
    ),
    11236: (APP, "The certificate has expired, or is not valid yet.", "Renew it; check the clocks."),
    11237: (
        APP,
        "The certificate is not from an authority that is trusted here.",
        "Serve the intermediate certificates too, or name your own authority by CALLROUTER_OUTBOUND_CA.",
    ),
    11240: (
        SETTINGS,
        "The URL's #e= names an edge that does not exist.",
        "Leave out #e=: there is one edge, this installation.",
    ),
    11243: (
        SETTINGS,
        "The URL's #rp= is no retry policy.",
        "Write 4xx, 5xx, ct, rt or all, with commas between.",
    ),
    11251: (
        APP,
        "Your server broke HTTP beyond repair.",
        "Try the URL with curl -v, and look what stands before it.",
    ),
    11750: (APP, "The answer is larger than 64 kB.", "Send a smaller document, and go on with <Redirect>."),
    11770: (
        APP,
        "The answer has no content.",
        "Answer with TwiML, or with <Response/> when there is nothing to do.",
    ),
    12100: (
        DOCUMENT,
        "The document is no well-formed XML: nothing of it was run.",
        "Correct the line that is named; write & as &amp; and < as &lt; in text and URLs.",
    ),
    12101: (
        DOCUMENT,
        "The XML declaration names another version than 1.0.",
        'Begin with <?xml version="1.0" encoding="UTF-8"?>, or leave that out.',
    ),
    12102: (
        DOCUMENT,
        "The root element is not <Response>.",
        "Put all verbs into one <Response>; element names are case-sensitive.",
    ),
    12200: (
        DOCUMENT,
        "An element or attribute is unknown here, or has a value that is not allowed; the rest was run.",
        "Compare the line with docs/reference/twiml.md; names are case-sensitive.",
    ),
    12300: (
        APP,
        "The answer's Content-Type is not one that can be run: it is often an error page in HTML.",
        "Answer with text/xml; for sound with audio/mpeg or audio/wav.",
    ),
    12400: (
        PLATFORM,
        "Something in this installation failed, not your app.",
        "Look at the log of callrouter at that moment, and run `callrouter doctor`.",
    ),
    13215: (
        DOCUMENT,
        "<Dial> holds an element that it does not take, which was left out; or more than ten, and none was dialled.",
        "Put only <Number>, <Client>, <Sip>, <Conference>, <Queue>, <Application>, <WhatsApp> or <Sim> into <Dial>; "
        "names are case-sensitive.",
    ),
    13320: (
        DOCUMENT,
        "<Gather> holds an element that it does not take: it was left out, and the call went on.",
        "Put only <Say>, <Play> and <Pause> into <Gather>; what follows the input stands in its action's document.",
    ),
    14300: (
        DOCUMENT,
        "<Start> holds a noun that it does not take: it was left out, and the call went on.",
        "Put only <Stream>, <Siprec>, <Transcription> or <Recording> into <Start>; names are case-sensitive.",
    ),
    15003: (
        APP,
        "Your server did not take a status callback: it answered outside 200 to 299, or not at all.",
        "Answer callbacks with 204 (or 200) at once; see the request for what came back.",
    ),
    15004: (
        DOCUMENT,
        "A relative URL stands in a document that did not come from a URL.",
        "Write the whole URL, with https://.",
    ),
}
