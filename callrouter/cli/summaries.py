"""What `callrouter --help` says of each command: the first sentence of its own help, which to load takes seconds."""

SUMMARIES = {
    "account": "Accounts (tenants) and subaccounts.",
    "app": "TwiML applications: webhooks under one name; what runs when a client places a call.",
    "backup": "Writes the whole deployment to FILE while it runs: both databases, keys, certificates, recordings and "
    "media.",
    "callerid": "Verified caller ids.",
    "calls": "Calls in progress and calls of the past.",
    "carrier": "Carriers: the gateways that bring calls and messages and take them.",
    "client": "Client apps: those that register with an access token.",
    "completion": "Prints what makes SHELL complete the commands and options of callrouter.",
    "console": "Prints a link that signs you in to the console: as the operator, or as one account.",
    "contacts": "Contact lists of clients.",
    "db": "The databases of the router and of the presence server, and the versions of their tables.",
    "demo": "Run everything, let a call come in, and show that both sides hear each other.",
    "destination": "Names for several clients: the first who is there is rung.",
    "doctor": "Looks at settings, keys, databases, clocks, disk, ports, the public URL, certificates, signatures and "
    "queues.",
    "export": "Write down what is stored, for spreadsheets and other programs.",
    "import": "Take in what other systems wrote down.",
    "key": "API keys: they authenticate requests and sign access tokens.",
    "listen": "Lets numbers ask the app that you work on, and prints every request with its answer, until Ctrl-C.",
    "messages": "Messages that came in, and messages that go out.",
    "number": "Phone numbers, and what is asked when a call comes for one.",
    "phone": "A client phone: registers, answers calls (or places one) with real audio, and says what it hears.",
    "presence": "Who is there: asked of the presence server, as the router does for each call.",
    "restore": "Puts the deployment back that `callrouter backup` wrote to FILE; all of it, or nothing.",
    "run": "Run one process in the foreground: the presence server, the media service, the router, the voice node, or "
    "an SMPP gateway.",
    "settings": "Prints the effective settings, without secrets.",
    "shortcode": "Numbers of 3 to 6 digits that send and get messages.",
    "simulate": "Play FILE.scenario on a callrouter of its own, or be a carrier made of software: it brings calls and "
    "messages to the router and takes them from it.",
    "status": "Statuses beside the built-in available, away, busy and dnd.",
    "tail": "Follows what happens to calls and messages, until Ctrl-C.",
    "token": "Access tokens, with which a client app registers.",
    "trigger": "Make something happen on the running deployment: a call comes, a message comes, a caller presses or "
    "hangs up.",
    "up": "Run everything here: presence server, media service, router and voice node, on SQLite unless set otherwise.",
}
