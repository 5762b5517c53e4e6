"""``fsrec demo``: everything on the embedded softswitch, with a live timeline (DESIGN section 8).

One call after the other, of each dialect: in SWML a voicemail, a conversation recorded in the background and played
back, and a call that is recorded to its hangup while somebody outside pauses and resumes it; a call recorded by
TwiML; a voicemail by Plivo XML, whose words are told as text where the extra ``fsrec[transcription]`` is installed.
A receiver on loopback is the customer's application: it gets the callbacks, fetches the recordings and listens to
them. ``--once`` ends after one round, and ends well only if every recording and every callback arrived and each file
is what it should be.
"""

from controller.demo.run import demo

__all__ = ["demo"]
