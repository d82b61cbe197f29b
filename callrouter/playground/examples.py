"""Texts to begin with in the playground."""

EXAMPLES = {
    "Say something": """\
<Response>
  <Say>Hello! This is your own document.</Say>
  <Pause length="1"/>
  <Say>Change it, and play it again.</Say>
</Response>
""",
    "A menu by keys": """\
document /voice
<Response>
  <Gather action="/menu" numDigits="1" timeout="10">
    <Say>Press one for sales, or two for support.</Say>
  </Gather>
  <Say>You pressed nothing. Good bye.</Say>
</Response>

document /menu when Digits=1
<Response>
  <Say>Sales it is.</Say>
</Response>

document /menu when Digits=2
<Response>
  <Say>Support it is.</Say>
</Response>

document /menu
<Response>
  <Say>There is no such choice.</Say>
  <Redirect>/voice</Redirect>
</Response>
""",
    "Ring a client, then voicemail": """\
document /voice
<Response>
  <Dial timeout="15" action="/after">
    <Client>alice</Client>
  </Dial>
</Response>

document /after when DialCallStatus=completed
<Response/>

document /after
<Response>
  <Say>Alice is not there. Leave a message, and press hash.</Say>
  <Record action="/done" maxLength="30" finishOnKey="#"/>
</Response>

document /done
<Response>
  <Say>Thank you.</Say>
</Response>
""",
    "Wait in a queue": """\
document /voice
<Response>
  <Enqueue waitUrl="/wait">support</Enqueue>
</Response>

document /wait
<Response>
  <Say>Please hold the line.</Say>
  <Pause length="5"/>
</Response>
""",
    "Broken on purpose": """\
<Response>
  <Say voise="alice">The attribute is misspelt: it is ignored, with a warning.</Say>
  <Dail>+14155550100</Dail>
  <Gather numDigits="many">
    <Say>The number of digits is no number.</Say>
  </Gather>
</Response>
""",
}
